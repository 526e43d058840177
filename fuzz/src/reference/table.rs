//! A server with a session table, to which the rules of SPEC.md are applied. Nothing is sealed here: a cookie is its
//! content.

use std::cmp::Reverse;

use sealed_session::{Reason, SessionId, SessionState, WriteError};

const DAY: u64 = 86_400;
const LEEWAY: u64 = 300;

/// A session cookie, as the server intended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: SessionId,
    pub started: u64,
    pub sealed: u64,
    pub expires: u64,
    pub remembered: bool,
    /// `None` for data that another version of the application wrote and this one cannot read.
    pub data: Option<u8>,
    pub key: u8,
    /// No two sealings have the same number. Whoever keeps the cookie gives it.
    pub sealing: u32,
}

/// Another cookie of a session in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Of its token.
    pub sealing: u32,
    /// 2, 3 or 4.
    pub number: u8,
}

/// How many cookies a session with these data takes.
pub fn cookies(data: u8) -> u8 {
    1 + data / 64
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

/// The server's state.
#[derive(Clone, Debug)]
pub struct Server {
    pub ordinary: Lifetime,
    pub remembered: Option<Lifetime>,
    /// The keys that open; the last one seals.
    pub keys: Vec<u8>,
    pub cut_off: u64,
    pub revoked: Vec<SessionId>,
    /// Whether guests have sessions: those with even data.
    pub has_guests: bool,
    pub revokes_on_end: bool,
}

/// A session that came with the request in a token that passed steps 1 to 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Genuine {
    pub id: SessionId,
    /// Whether it is certainly a guest's.
    pub is_guest: bool,
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
    /// SPEC.md, *Sealing*: a server that seals again writes the earlier of the start and the opening.
    fn write(&mut self, server: &Server) {
        self.started = self.started.min(self.opened);
        let latest = self.started + server.lifetime(self.remembered).absolute;
        self.expires = self.expires.min(latest);
    }
}

/// The effect of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The cookies stay. The flag says whether caches are told that the response depends on them.
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

/// The strongest action on the session, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    None,
    Written,
    Cycled,
    Replaced,
    Started,
    Ended,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    pub first: Result<Live, SessionState>,
    pub genuine: Vec<Genuine>,
    pub last: Result<Live, SessionState>,
    pub change: Change,
    pub touch: bool,
    pub ended: bool,
    pub is_prefetch: bool,
}

impl Server {
    pub fn lifetime(&self, remembered: bool) -> Lifetime {
        self.remembered.filter(|_| remembered).unwrap_or(self.ordinary)
    }

    pub fn is_signed_in(&self, data: u8) -> bool {
        !self.has_guests || data % 2 == 1
    }

    /// Steps 1 to 6 of SPEC.md, *Opening*.
    fn is_genuine(&self, token: &Token, chunks: &[Chunk], now: u64) -> Result<(), Reason> {
        let sealing = token.sealing;
        let mut others = 2..=token.data.map_or(1, cookies);
        match () {
            () if token.expires <= now => Err(Reason::Expired),
            () if token.expires > now + 400 * DAY + LEEWAY => Err(Reason::ExpiresTooFar),
            () if !self.keys.contains(&token.key) => Err(Reason::UnknownKey),
            () if !others.all(|number| chunks.contains(&Chunk { sealing, number })) => Err(Reason::Incomplete),
            () => Ok(()),
        }
    }

    /// The sessions whose genuine tokens came: they end with the session. Unreadable data is not certainly a guest's.
    pub fn genuine(&self, tokens: &[Token], chunks: &[Chunk], now: u64) -> Vec<Genuine> {
        let genuine = tokens
            .iter()
            .filter(|token| self.is_genuine(token, chunks, now).is_ok());
        let judged = |token: &Token| Genuine {
            id: token.id,
            is_guest: token.data.is_some_and(|data| !self.is_signed_in(data)),
        };
        genuine.map(judged).collect()
    }

    /// Ends the sessions that came: each is revoked unless it is certainly a guest's.
    pub fn end(&mut self, genuine: &[Genuine]) {
        if self.revokes_on_end {
            let signed_in = genuine.iter().filter(|genuine| !genuine.is_guest);
            self.revoked.extend(signed_in.map(|genuine| genuine.id));
        }
    }

    /// A session that is sent ends those that came, as an end does; a sign-in also ends guests'.
    pub fn take_place(&mut self, request: &Request, sent: &Token) {
        if !matches!(request.change, Change::Replaced | Change::Started) {
            return;
        }
        self.end(&request.genuine);
        if self.revokes_on_end && sent.data.is_some_and(|data| self.is_signed_in(data)) {
            self.revoked.extend(request.genuine.iter().map(|genuine| genuine.id));
        }
    }

    /// SPEC.md, *Opening* and *Choosing among several*.
    pub fn open(&self, tokens: &[Token], chunks: &[Chunk], seen: &[Seen], now: u64) -> Result<Live, SessionState> {
        let mut reasons = Vec::new();
        let mut opened = Vec::new();
        for token in tokens {
            match self
                .is_genuine(token, chunks, now)
                .and_then(|()| self.judge(token, now))
            {
                Ok(()) => opened.push(token),
                Err(reason) => reasons.push(reason),
            }
        }
        opened.sort_by_key(|token| Reverse((token.started, token.sealed)));
        for token in opened {
            match self.live(token, seen, now) {
                Ok(live) => return Ok(live),
                Err(reason) => reasons.push(reason),
            }
        }
        Err(reasons
            .into_iter()
            .max()
            .map_or(SessionState::Absent, SessionState::Rejected))
    }

    /// Step 7.
    fn judge(&self, token: &Token, now: u64) -> Result<(), Reason> {
        match () {
            () if token.started > now + LEEWAY => Err(Reason::StartedInFuture),
            () if token.started + self.lifetime(token.remembered).absolute <= now => Err(Reason::TooOld),
            () if token.started < self.cut_off || self.revoked.contains(&token.id) => Err(Reason::Revoked),
            () => Ok(()),
        }
    }

    /// Steps 8 and 9.
    fn live(&self, token: &Token, seen: &[Seen], now: u64) -> Result<Live, Reason> {
        let lifetime = self.lifetime(token.remembered);
        let is_active = |seen: &&Seen, idle: u64| {
            seen.id == token.id
                && self.keys.contains(&seen.key)
                && seen.expires > now
                && seen.expires <= now + (idle + LEEWAY).min(400 * DAY + LEEWAY)
        };
        let active_until = match lifetime.idle {
            None => None,
            Some(idle) => {
                let active = seen.iter().filter(|seen| is_active(seen, idle));
                Some(active.map(|seen| seen.expires).max().ok_or(Reason::Idle)?)
            }
        };
        Ok(Live {
            id: token.id,
            started: token.started,
            opened: now,
            expires: token.expires.min(token.started + lifetime.absolute),
            remembered: token.remembered,
            data: token.data.ok_or(Reason::Payload)?,
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
            // The new session is not sent, but a sign-out before it is.
            return if request.ended {
                Sent::Removed
            } else {
                Sent::Nothing(Caches::Private)
            };
        }
        // A guest who signs in had no session to sign out of.
        let signs_in = |first: Live| {
            request.change >= Change::Replaced && !self.is_signed_in(first.data) && self.is_signed_in(live.data)
        };
        let has_ended =
            |first: Live| self.revoked.contains(&first.id) || first.started.min(first.opened) < self.cut_off;
        if live.expires <= now || first.is_some_and(|first| has_ended(first) && !signs_in(first) && !request.ended) {
            return if request.ended {
                Sent::Removed
            } else {
                Sent::Nothing(Caches::Private)
            };
        }
        let lifetime = self.lifetime(live.remembered);
        let started = live.started.min(now);
        let expires = live.expires.min(started + lifetime.absolute);
        let key = *self.keys.last().expect("some key seals");
        let session = is_written.then_some(Token {
            id: live.id,
            started,
            sealed: now,
            expires,
            remembered: live.remembered,
            data: Some(live.data),
            key,
            sealing: 0,
        });
        let activity = lifetime.idle.and_then(|idle| {
            let new = (now + idle).min(expires);
            let step = (idle / 10).clamp(60, DAY).min(idle / 2).max(1);
            let next = (now + idle).min(live.expires);
            let is_due = live
                .active_until
                .is_some_and(|old| next >= old + step || (next > old && next == live.expires));
            let is_renewed = has_place && (request.touch || (is_due && !request.is_prefetch));
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
    pub fn new(opened: Result<Live, SessionState>, genuine: Vec<Genuine>, is_prefetch: bool) -> Self {
        Self {
            first: opened,
            genuine,
            last: opened,
            change: Change::None,
            touch: false,
            ended: false,
            is_prefetch,
        }
    }

    /// The id is the one that the server chose.
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
        (self.change, self.touch) = (Change::Started, false);
    }

    /// The id is the one that the session has afterwards. A visitor who signs in or out by this
    /// gets another id, unless no browser has received the present one. In either case the session keeps its age, and is
    /// remembered only if this request made it so.
    pub fn update(&mut self, server: &Server, id: Option<SessionId>, data: u8, now: u64) {
        let Ok(live) = &mut self.last else { return };
        live.write(server);
        let changes_sides = server.is_signed_in(live.data) != server.is_signed_in(data);
        live.data = data;
        if !changes_sides {
            self.change = self.change.max(Change::Written);
            return;
        }
        if self.first.is_ok_and(|first| first.id == live.id) {
            live.id = id.expect("a session has an id");
            live.remembered = false;
            assert!(
                self.first.is_ok_and(|first| first.id != live.id),
                "the id is the old one"
            );
        }
        (live.started, live.opened, live.active_until) = (now, now, None);
        live.expires = now + server.lifetime(live.remembered).absolute;
        self.change = self.change.max(Change::Replaced);
    }

    /// As `update`, or as `start` without a session.
    pub fn update_or_start(&mut self, server: &Server, id: Option<SessionId>, data: u8, now: u64) {
        match self.last {
            Ok(_) => self.update(server, id, data, now),
            Err(_) => self.start(server, id.expect("started"), data, now),
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

    pub fn touch(&mut self) {
        self.touch |= self.last.is_ok();
    }

    pub fn end(&mut self) {
        self.last = Err(SessionState::Ended);
        (self.change, self.touch, self.ended) = (Change::Ended, false, true);
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
            has_guests: false,
            revokes_on_end: true,
        }
    }

    const ID: [SessionId; 2] = [SessionId::from_bytes([1; 8]), SessionId::from_bytes([2; 8])];

    #[test]
    fn a_session_starts_is_used_and_ends() {
        let (server, id) = (server(), ID[0]);
        let mut request = Request::new(server.open(&[], &[], &[], 1000), Vec::new(), false);
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
        let session = session.expect("it was sent");
        let open = |now| server.open(&[session], &[], &Vec::from_iter(activity), now);
        assert_eq!(open(2799).map(|live| live.data), Ok(7));
        assert_eq!(open(2800), Err(SessionState::Rejected(Reason::Idle)));
        assert_eq!(open(44_200), Err(SessionState::Rejected(Reason::Expired)));
        let read = Request::new(open(1179), Vec::new(), false);
        assert_eq!(server.finish(&read, 200, 1179), Sent::Nothing(Caches::Private));
        let read = Request::new(open(1180), Vec::new(), false);
        assert!(matches!(
            server.finish(&read, 200, 1180),
            Sent::Cookies {
                session: None,
                activity: Some(_),
                ..
            }
        ));
        let is_guest = false;
        assert_eq!(server.genuine(&[session], &[], 44_199), [Genuine { id, is_guest }]);
        assert_eq!(server.genuine(&[session], &[], 44_200), []);
        let mut request = Request::new(open(1180), Vec::new(), false);
        request.end();
        assert_eq!(server.finish(&request, 500, 1180), Sent::Removed);
    }

    /// A session with these data that started at 1000, as it came at 1100.
    fn came(server: &Server, data: Option<u8>) -> (Token, Request) {
        let token = Token {
            id: ID[0],
            started: 1000,
            sealed: 1000,
            expires: 44_200,
            remembered: false,
            data,
            key: 1,
            sealing: 0,
        };
        let seen = Seen {
            id: ID[0],
            expires: 2800,
            key: 1,
        };
        let opened = server.open(&[token], &[], &[seen], 1100);
        (token, Request::new(opened, server.genuine(&[token], &[], 1100), false))
    }

    #[test]
    fn who_changes_sides_gets_another_id_and_what_came_is_revoked() {
        let mut server = server();
        server.has_guests = true;
        for (before, after) in [(2, 3), (3, 2)] {
            let (_, mut request) = came(&server, Some(before));
            request.update(&server, Some(ID[1]), after, 1100);
            let sent = server.finish(&request, 200, 1100);
            let Sent::Cookies {
                session: Some(token),
                activity: Some(_),
                ..
            } = sent
            else {
                panic!("{sent:?}");
            };
            assert_eq!(token.id, ID[1]);
            server.take_place(&request, &token);
            assert!(server.revoked.contains(&ID[0]));
            server.revoked.clear();
        }
        let (_, mut request) = came(&server, Some(3));
        request.update(&server, Some(ID[0]), 5, 1100);
        assert_eq!(
            (request.last.map(|live| live.id), request.change),
            (Ok(ID[0]), Change::Written)
        );
    }

    #[test]
    fn a_guest_who_starts_as_a_guest_is_not_revoked() {
        let mut server = server();
        server.has_guests = true;
        for (data, is_revoked) in [(4, false), (5, true)] {
            let (token, mut request) = came(&server, Some(2));
            request.start(&server, ID[1], data, 1100);
            let sent = Token {
                data: Some(data),
                ..token
            };
            server.take_place(&request, &sent);
            assert_eq!(server.revoked.contains(&ID[0]), is_revoked);
        }
    }

    #[test]
    fn what_cannot_be_read_is_revoked_and_a_guest_is_not() {
        let mut server = server();
        server.has_guests = true;
        let (unreadable, request) = came(&server, None);
        assert_eq!(request.last, Err(SessionState::Rejected(Reason::Payload)));
        let (guest, _) = came(&server, Some(2));
        server.end(&server.genuine(&[guest], &[], 1100));
        assert_eq!(server.revoked, []);
        server.end(&server.genuine(&[unreadable], &[], 1100));
        assert_eq!(server.revoked, [ID[0]]);
    }

    #[test]
    fn of_several_the_one_that_started_last_is_taken() {
        let server = server();
        let (old, _) = came(&server, Some(1));
        let new = Token {
            id: ID[1],
            started: 1001,
            data: Some(2),
            ..old
        };
        let seen = |id| Seen {
            id,
            expires: 2800,
            key: 1,
        };
        let data = |seen: &[Seen]| server.open(&[old, new], &[], seen, 1100).map(|live| live.data);
        assert_eq!(data(&[seen(ID[0]), seen(ID[1])]), Ok(2));
        assert_eq!(data(&[seen(ID[0])]), Ok(1));
        assert_eq!(data(&[]), Err(SessionState::Rejected(Reason::Idle)));
    }

    #[test]
    fn a_session_in_chunks_needs_its_own() {
        let (mut server, number) = (server(), |sealing| move |number| Chunk { sealing, number });
        let (token, _) = came(&server, Some(192));
        server.ordinary.idle = None;
        let all = [2, 3, 4].map(number(0));
        let open = |chunks: &[Chunk]| server.open(&[token], chunks, &[], 1100).map(|live| live.data);
        assert_eq!(open(&all), Ok(192));
        let incomplete = Err(SessionState::Rejected(Reason::Incomplete));
        for chunks in [&[], &all[1..], &all[..2], &[2, 3, 4].map(number(1))] {
            assert_eq!(open(chunks), incomplete);
            assert_eq!(server.genuine(&[token], chunks, 1100), []);
        }
        assert_eq!([0, 63, 64, 255].map(cookies), [1, 1, 2, 4]);
    }
}
