//! From the cookies of a request to its session: screening, opening, choosing.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::error::Reason;
use crate::headers::RequestFields;
use crate::ids::{KeyId, SessionId};
use crate::session::event::Event;
use crate::session::{
    Content, Current, Facts, Genuine, Live, Opening, Payload, SessionData, SessionState, from_payload,
};
use crate::sessions::{Keys, Sessions};
use crate::token::envelope::Head;
use crate::token::{OpenedToken, claimed_key};

/// Most tokens of one request on which cryptography is spent.
const MOST_OPENED: usize = 8;

/// Opens the session of a request at `now`. Of several tokens that open: the one that started last, then was sealed
/// last, then came first.
pub(crate) fn open<T: SessionData>(sessions: &Sessions<T>, fields: &RequestFields, now: u64) -> Opening<T> {
    let mut attempt = Attempt::default();
    let keys = sessions.keys();
    let mut opened = Vec::new();
    if attempt.open_tokens(sessions, &keys, fields, now, &mut opened) == 0 {
        return Opening::none(SessionState::Absent);
    }
    // A stable sort: of equals the first one in the header stays first.
    opened.sort_by_key(|token| Reverse((token.frame.started, token.frame.sealed)));
    let activity = open_activity(sessions, &keys, fields, &opened, now);
    let mut opened = opened.into_iter();
    while let Some(token) = opened.next() {
        let Head {
            session_id: id, key_id, ..
        } = token.head;
        let lifetime = sessions.config().lifetimes.of(token.frame.remembered);
        let active_until = lifetime.latest_activity(now).map(|latest| {
            let of_this = activity.iter().flatten().filter(|head| head.session_id == id);
            let expiries = of_this.map(|head| u64::from(head.expires));
            expiries.filter(|&expires| expires <= latest).max()
        });
        if active_until == Some(None) {
            attempt.judge(id, sessions.is_guest(token.payload()));
            attempt.reject(Reason::Idle, Some(id), Some(key_id));
            continue;
        }
        let Some(live) = live(sessions, token, active_until.flatten(), now) else {
            attempt.judge(id, false);
            attempt.reject(Reason::Payload, Some(id), Some(key_id));
            continue;
        };
        let data = &live.content.data;
        attempt.judge(id, !sessions.counts_as_signed_in(data));
        if sessions.refuses(data, id, live.facts.started) {
            attempt.reject(Reason::Refused, Some(id), Some(key_id));
            continue;
        }
        opened.for_each(|other| attempt.judge(other.head.session_id, sessions.is_guest(other.payload())));
        return attempt.into_opening(Current::Live(live), None, sessions.looked(None, now));
    }
    let (reason, id, key_id) = attempt.rejected.unwrap_or((Reason::Malformed, None, None));
    let rejection = Event::Rejected { reason, id, key_id };
    let alarms = sessions.looked(Some((reason, key_id)), now);
    attempt.into_opening(Current::None(SessionState::Rejected(reason)), Some(rejection), alarms)
}

/// The findings while cookies are opened.
#[derive(Default)]
struct Attempt {
    /// Of several rejected tokens, the reason of the one that got furthest, its id if it is genuine, and the key that
    /// it names.
    rejected: Option<(Reason, Option<SessionId>, Option<KeyId>)>,
    genuine: Vec<Genuine>,
    duplicates: Option<Event>,
}

impl Attempt {
    fn into_opening<T>(self, current: Current<T>, rejection: Option<Event>, alarms: Vec<Event>) -> Opening<T> {
        Opening {
            current,
            genuine: self.genuine,
            duplicates: self.duplicates,
            rejection,
            alarms,
        }
    }

    fn reject(&mut self, reason: Reason, id: Option<SessionId>, key_id: Option<KeyId>) {
        if self.rejected.is_none_or(|(other, ..)| other < reason) {
            self.rejected = Some((reason, id, key_id));
        }
    }

    /// Notes a token that passed steps 1 to 6, and until when a token of its id can be valid. The session is a guest's
    /// if every token of that id is judged to be one.
    fn note(&mut self, id: SessionId, until: u64) {
        match self.of_id(id) {
            Some(genuine) => genuine.until = genuine.until.max(until),
            None => {
                let is_guest = true;
                self.genuine.push(Genuine { id, until, is_guest });
            }
        }
    }

    fn judge(&mut self, id: SessionId, is_guest: bool) {
        if let Some(genuine) = self.of_id(id) {
            genuine.is_guest &= is_guest;
        }
    }

    fn of_id(&mut self, id: SessionId) -> Option<&mut Genuine> {
        self.genuine.iter_mut().find(|genuine| genuine.id == id)
    }

    /// Steps 1 to 7 for every session cookie. Returns how many cookies there are; `opened` gets those that open.
    fn open_tokens<T: SessionData>(
        &mut self,
        sessions: &Sessions<T>,
        keys: &Keys,
        fields: &RequestFields,
        now: u64,
        opened: &mut Vec<OpenedToken>,
    ) -> usize {
        let config = sessions.config();
        let (mut count, mut screened) = (0, 0);
        for value in fields.cookies(&config.name) {
            count += 1;
            let token = match keys.session.screen_session(value, config.longest_value(), now) {
                Ok(token) => token,
                Err(reason) => {
                    // A value that is no token names no key.
                    let names_key = reason > Reason::UnknownVersion;
                    self.reject(reason, None, names_key.then(|| claimed_key(value)).flatten());
                    continue;
                }
            };
            screened += 1;
            if screened > MOST_OPENED {
                // It may be as good as the ones before it, but the work for one request is bounded.
                continue;
            }
            let Head {
                session_id: id,
                expires,
                key_id,
            } = token.head;
            match keys.session.open_session(token, fields.bind()) {
                Ok(token) => {
                    self.note(id, sessions.end_of(expires, Some(&token.frame), now));
                    match sessions.judge(&token.frame, id, now) {
                        Ok(()) => opened.push(token),
                        Err(reason) => {
                            self.judge(id, sessions.is_guest(token.payload()));
                            self.reject(reason, Some(id), Some(key_id));
                        }
                    }
                }
                Err(reason) => {
                    // Holders of check keys can make a head, so a damaged token proves no id.
                    let is_genuine = reason > Reason::Damaged;
                    if is_genuine {
                        self.note(id, sessions.end_of(expires, None, now));
                        self.judge(id, false);
                    }
                    self.reject(reason, is_genuine.then_some(id), Some(key_id));
                }
            }
        }
        if count > 1 {
            self.duplicates = Some(Event::DuplicatesSeen { count });
        }
        count
    }
}

/// Step 8: the verified activity tokens that belong to one of the opened sessions, if any of those needs one.
fn open_activity<T: SessionData>(
    sessions: &Sessions<T>,
    keys: &Keys,
    fields: &RequestFields,
    opened: &[OpenedToken],
    now: u64,
) -> [Option<Head>; MOST_OPENED] {
    let lifetimes = sessions.config().lifetimes;
    let mut heads = [None; MOST_OPENED];
    if opened
        .iter()
        .all(|token| lifetimes.of(token.frame.remembered).idle.is_none())
    {
        return heads;
    }
    let tokens = fields
        .cookies(&sessions.config().activity_name)
        .filter_map(|value| keys.activity.screen_activity(value, now).ok())
        .filter(|token| {
            opened
                .iter()
                .any(|session| session.head.session_id == token.head.session_id)
        });
    for (place, token) in heads.iter_mut().zip(tokens) {
        *place = keys.activity.open_activity(&token, fields.bind()).ok();
    }
    heads
}

/// Step 9: the payload deserialises.
fn live<T: SessionData>(
    sessions: &Sessions<T>,
    token: OpenedToken,
    active_until: Option<u64>,
    now: u64,
) -> Option<Live<T>> {
    let OpenedToken { head, frame, .. } = token;
    let (buffer, range) = token.into_payload();
    let payload = Payload::new(buffer, range);
    let data = from_payload(payload.as_bytes())?;
    let content = Arc::new(Content::new(data, payload));
    let started = u64::from(frame.started);
    let remembered = frame.remembered;
    // Configured limits only shorten what a token says.
    let expires = u64::from(head.expires).min(sessions.config().lifetimes.expires(started, remembered));
    let facts = Facts {
        id: head.session_id,
        started,
        opened: now,
        expires,
        remembered,
        active_until,
    };
    Some(Live { content, facts })
}
