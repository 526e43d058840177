//! What a server with a table would know of sessions, and the rules of SPEC.md applied to it: nothing is sealed here, a
//! cookie is simply what it says.

use sealed_session::{Reason, WriteError, SessionId, SessionState};

const DAY: u64 = 86_400;
const LEEWAY: u64 = 300;

/// A session cookie, as it was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: SessionId,
    pub started: u64,
    pub expires: u64,
    pub remembered: bool,
    pub data: u8,
    pub key: u8,
}

/// An activity cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: SessionId,
    pub expires: u64,
    pub key: u8,
}

/// Idle and absolute timeout.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    pub idle: Option<u64>,
    pub absolute: u64,
}

/// The server's knowledge.
#[derive(Clone, Debug)]
pub struct Server {
    pub ordinary: Lifetime,
    pub remembered: Option<Lifetime>,
    /// The keys that open; the last one seals.
    pub keys: Vec<u8>,
    pub cut_off: u64,
    pub revoked: Vec<SessionId>,
}

/// A session during a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    pub id: SessionId,
    pub started: u64,
    pub opened: u64,
    pub expires: u64,
    pub remembered: bool,
    pub data: u8,
    pub active_until: Option<u64>,
}

impl Live {
    /// SPEC.md, *Sealing*: whoever seals again writes the earlier of the start and the opening.
    fn write(&mut self, server: &Server) {
        self.started = self.started.min(self.opened);
        let latest = self.started + server.lifetime(self.remembered).absolute;
        self.expires = self.expires.min(latest);
    }
}

/// What a response does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The cookies are left alone, and whether caches are told that the response depends on them.
    Nothing(Caches),
    Cookies {
        session: Option<Token>,
        activity: Option<Seen>,
        caches: Caches,
    },
    Removed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caches {
    Leave,
    Vary,
    Private,
    NoStore,
}

/// The most that was done to the session, later ones outweighing earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    None,
    Written,
    Cycled,
    Replaced,
    Started,
    Cleared,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    pub first: Result<Live, State>,
    /// The id of the token that came, if it is genuine: ending the session revokes it.
    pub genuine: Option<SessionId>,
    pub last: Result<Live, State>,
    pub change: Change,
    pub renew: bool,
    pub cleared: bool,
    pub is_prefetch: bool,
}

impl Server {
    pub fn lifetime(&self, remembered: bool) -> Lifetime {
        self.remembered.filter(|_| remembered).unwrap_or(self.ordinary)
    }

    /// Steps 1 to 6 of SPEC.md, *Opening*.
    pub fn genuine(&self, session: Option<Token>, now: u64) -> Option<SessionId> {
        let is_genuine = |token: &Token| {
            let is_timely = token.expires > now && token.expires <= now + 400 * DAY + LEEWAY;
            is_timely && self.keys.contains(&token.key)
        };
        session.filter(is_genuine).map(|token| token.id)
    }

    /// SPEC.md, *Opening*.
    pub fn open(&self, session: Option<Token>, seen: Option<Seen>, now: u64) -> Result<Live, State> {
        let token = session.ok_or(SessionState::Absent)?;
        let lifetime = self.lifetime(token.remembered);
        let expires = token.expires.min(token.started + lifetime.absolute);
        let reject = |reason| Err(SessionState::Rejected(reason));
        let timely = |expires| expires > now && expires <= now + 400 * DAY + LEEWAY;
        match () {
            () if token.expires <= now => return reject(Reason::Expired),
            () if !timely(token.expires) => return reject(Reason::ExpiresTooFar),
            () if !self.keys.contains(&token.key) => return reject(Reason::UnknownKey),
            () if token.started > now + LEEWAY => return reject(Reason::StartedInFuture),
            () if expires <= now => return reject(Reason::TooOld),
            () if token.started < self.cut_off || self.revoked.contains(&token.id) => return reject(Reason::Revoked),
            () => {}
        }
        let is_active = |seen: &Seen, idle: u64| {
            timely(seen.expires)
                && self.keys.contains(&seen.key)
                && seen.id == token.id
                && seen.expires <= now + idle + LEEWAY
        };
        let active_until = match lifetime.idle {
            None => None,
            Some(idle) => match seen.filter(|seen| is_active(seen, idle)) {
                None => return reject(Reason::Idle),
                Some(seen) => Some(seen.expires),
            },
        };
        Ok(Live {
            id: token.id,
            started: token.started,
            opened: now,
            expires,
            remembered: token.remembered,
            data: token.data,
            active_until,
        })
    }

    /// SPEC.md, *What happens to a response*.
    pub fn finish(&self, request: &Request, status: u16, now: u64) -> Sent {
        if request.change == Change::Ended {
            return Sent::Removed;
        }
        let live = match request.last {
            Err(SessionState::Absent) => return Sent::Nothing(Caches::Vary),
            Err(_) => return Sent::Nothing(Caches::Private),
            Ok(live) => live,
        };
        let has_place = status >= 200 && status != 304 && status < 500;
        let first = request.first.ok();
        let has_new_id = request.change >= Change::Cycled;
        let has_new_data = request.change == Change::Written && first.is_none_or(|first| first.data != live.data);
        let is_written = has_new_id || has_new_data;
        if is_written && !has_place {
            // The new session is not sent; a sign-out before it is.
            return if request.cleared {
                Sent::Removed
            } else {
                Sent::Nothing(Caches::Private)
            };
        }
        let has_ended =
            |first: Live| self.revoked.contains(&first.id) || first.started.min(first.opened) < self.cut_off;
        if live.expires <= now || (first.is_some_and(has_ended) && !request.cleared) {
            return Sent::Nothing(Caches::Private);
        }
        let lifetime = self.lifetime(live.remembered);
        let started = live.started.min(now);
        let expires = live.expires.min(started + lifetime.absolute);
        let key = *self.keys.last().expect("some key seals");
        let session = is_written.then_some(Token {
            id: live.id,
            started,
            expires,
            remembered: live.remembered,
            data: live.data,
            key,
        });
        let activity = lifetime.idle.and_then(|idle| {
            let new = (now + idle).min(expires);
            let step = (idle / 10).clamp(60, DAY).min(idle / 2).max(1);
            let next = (now + idle).min(live.expires);
            let is_due = live
                .active_until
                .is_some_and(|old| next >= old + step || (next > old && next == live.expires));
            let is_renewed = has_place && (request.renew || (is_due && !request.is_prefetch));
            (has_new_id || is_renewed).then_some(Seen {
                id: live.id,
                expires: new,
                key,
            })
        });
        match (session, activity) {
            (None, None) => Sent::Nothing(Caches::Private),
            (session, activity) => Sent::Cookies {
                session,
                activity,
                caches: if session.is_some() {
                    Caches::NoStore
                } else {
                    Caches::Private
                },
            },
        }
    }
}

impl Request {
    pub fn new(opened: Result<Live, State>, genuine: Option<SessionId>, is_prefetch: bool) -> Self {
        Self {
            first: opened,
            genuine,
            last: opened,
            change: Change::None,
            renew: false,
            cleared: false,
            is_prefetch,
        }
    }

    /// The id is the one that the server drew.
    pub fn start(&mut self, server: &Server, id: SessionId, data: u8, now: u64) {
        self.last = Ok(Live {
            id,
            started: now,
            opened: now,
            expires: now + server.ordinary.absolute,
            remembered: false,
            data,
            active_until: None,
        });
        (self.change, self.renew) = (Change::Started, false);
    }

    pub fn update(&mut self, server: &Server, data: u8) {
        if let Ok(live) = &mut self.last {
            live.write(server);
            live.data = data;
            self.change = self.change.max(Change::Written);
        }
    }

    pub fn cycle(&mut self, server: &Server, id: Option<SessionId>) {
        if let Ok(live) = &mut self.last {
            live.write(server);
            live.id = id.expect("a session has an id");
            live.active_until = None;
            self.change = self.change.max(Change::Cycled);
        }
    }

    /// Whether this request's response, once it is sent, ends the session that came.
    pub fn takes_its_place(&self) -> bool {
        matches!(self.change, Change::Replaced | Change::Started) && !self.cleared
    }

    /// The id is the one that the session has afterwards.
    pub fn remember(
        &mut self,
        server: &Server,
        remembered: bool,
        id: Option<SessionId>,
        now: u64,
    ) -> Result<(), WriteError> {
        if remembered && server.remembered.is_none() {
            return Err(WriteError::RememberOff);
        }
        let Ok(last) = &mut self.last else { return Ok(()) };
        let mut live = *last;
        live.write(server);
        if live.remembered != remembered {
            let expires = live.started + server.lifetime(remembered).absolute;
            if expires <= now {
                return Err(WriteError::Expiry);
            }
            (live.remembered, live.expires) = (remembered, expires);
            live.active_until = None;
            if self.first.is_ok_and(|first| first.id == live.id) {
                live.id = id.expect("a session has an id");
            }
            self.change = self.change.max(Change::Replaced);
        }
        *last = live;
        self.change = self.change.max(Change::Written);
        Ok(())
    }

    pub fn renew(&mut self) {
        self.renew |= self.last.is_ok();
    }

    pub fn clear(&mut self) {
        self.last = Err(SessionState::Ended);
        (self.change, self.renew, self.cleared) = (Change::Ended, false, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Server {
            ordinary: Lifetime {
                idle: Some(1800),
                absolute: 43_200,
            },
            remembered: None,
            keys: vec![1],
            cut_off: 0,
            revoked: Vec::new(),
        }
    }

    #[test]
    fn a_session_starts_is_used_and_ends() {
        let (server, id) = (server(), SessionId::from_bytes([1; 8]));
        let mut request = Request::new(server.open(None, None, 1000), None, false);
        assert_eq!(server.finish(&request, 200, 1000), Sent::Nothing(Caches::Vary));
        request.start(&server, id, 7, 1000);
        let Sent::Cookies {
            session,
            activity,
            caches: Caches::NoStore,
        } = server.finish(&request, 200, 1000)
        else {
            panic!("nothing was sent");
        };
        assert_eq!(server.finish(&request, 500, 1000), Sent::Nothing(Caches::Private));
        assert_eq!(
            (session.map(|token| token.expires), activity.map(|seen| seen.expires)),
            (Some(44_200), Some(2800))
        );
        let open = |now| server.open(session, activity, now);
        assert_eq!(open(2799).map(|live| live.data), Ok(7));
        assert_eq!(open(2800), Err(SessionState::Rejected(Reason::Idle)));
        assert_eq!(open(44_200), Err(SessionState::Rejected(Reason::Expired)));
        let read = Request::new(open(1179), Some(id), false);
        assert_eq!(server.finish(&read, 200, 1179), Sent::Nothing(Caches::Private));
        let read = Request::new(open(1180), Some(id), false);
        assert!(matches!(
            server.finish(&read, 200, 1180),
            Sent::Cookies {
                session: None,
                activity: Some(_),
                ..
            }
        ));
        assert_eq!(server.genuine(session, 44_199), Some(id));
        assert_eq!(server.genuine(session, 44_200), None);
        let mut request = Request::new(open(1180), Some(id), false);
        request.clear();
        assert_eq!(server.finish(&request, 500, 1180), Sent::Removed);
    }
}
