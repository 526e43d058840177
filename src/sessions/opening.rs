//! From the cookies of a request to its session: screening, opening, choosing.

mod activity;
mod token;

use serde::de::IgnoredAny;

use crate::error::Reason;
use crate::few::Few;
use crate::headers::RequestFields;
use crate::ids::{KeyId, SessionId};
use crate::keys::ring::KeyAt;
use crate::session::event::Event;
use crate::session::{Binding, Current, Facts, Genuine, Live, Opening, SessionData, SessionState, from_payload};
use crate::sessions::opened::Held;
use crate::sessions::{Keys, Sessions};
use crate::token::chunks::{Chunks, claimed_count};
use crate::token::envelope::Head;
use crate::token::{Activity, Decoded, claimed_head, session_kind};

use self::token::Token;

/// Most tokens of one request on which cryptography is spent.
const MOST_OPENED: usize = 8;

/// Opens the session of a request at `now`. Of several tokens that open: the one that started last, then was sealed
/// last, then came first.
pub(crate) fn open<T: SessionData>(sessions: &Sessions<T>, fields: &RequestFields, now: u64) -> Opening<T> {
    open_with(
        sessions,
        fields,
        sessions.config().introduces_device_binding(),
        None,
        now,
    )
}

/// What an endpoint of device binding has to know of the session that came.
#[derive(Default)]
pub(crate) struct Details {
    /// The valid activity tokens of the session that opened.
    pub(crate) activity: Few<Activity>,
    /// A server of another version or with another clock may open one that did not: its JSON does not fit the session's
    /// type, or its activity seems to last longer than it can.
    pub(crate) may_open_elsewhere: bool,
}

/// Opens the session of a request, `even_unproven` or not.
pub(crate) fn open_with<T: SessionData>(
    sessions: &Sessions<T>,
    fields: &RequestFields,
    even_unproven: bool,
    mut details: Option<&mut Details>,
    now: u64,
) -> Opening<T> {
    let mut attempt = Attempt::default();
    let keys = sessions.keys();
    keys.opened.sweep(now);
    let began = keys.opened.count();
    let mut tokens = Few::default();
    attempt.open_tokens(sessions, &keys, fields, now, &mut tokens);
    if attempt.count == 0 {
        return Opening::none(SessionState::Absent);
    }
    let activity = activity::open(sessions, &keys, fields, &tokens, now);
    while let Some(mut token) = tokens.take_max(|token| (token.frame().started, token.frame().sealed)) {
        let (head, frame) = (token.head(), token.frame());
        let Head {
            session_id: id, key_id, ..
        } = head;
        let lifetime = sessions.config().lifetimes.of(frame.remembered);
        let (active, binding) = match activity.of(id, lifetime.latest_activity(now), even_unproven) {
            Ok(active) => active,
            Err(reason) => {
                attempt.judge(id, token.is_guest(sessions));
                attempt.reject(reason, Some(id), Some(key_id));
                token.forget(&keys.opened);
                if let Some(details) = &mut details {
                    details.may_open_elsewhere |= activity.valid(id, Some(u64::MAX)).next().is_some();
                }
                continue;
            }
        };
        let content = match token.content() {
            Ok(content) => content,
            Err(payload) => {
                attempt.judge(id, false);
                attempt.reject(Reason::Payload, Some(id), Some(key_id));
                if let Some(details) = &mut details {
                    details.may_open_elsewhere |= from_payload::<IgnoredAny>(payload.as_bytes()).is_some();
                }
                continue;
            }
        };
        attempt.judge(id, !sessions.counts_as_signed_in(&content.data));
        if sessions.refuses(&content.data, id, frame.started.into()) {
            attempt.reject(Reason::Refused, Some(id), Some(key_id));
            token.forget(&keys.opened);
            continue;
        }
        for other in tokens.iter() {
            attempt.judge(other.head().session_id, other.is_guest(sessions));
        }
        token.keep(&keys.opened, began, fields.bind(), &content, active, now);
        let started = u64::from(frame.started);
        let facts = Facts {
            id,
            started,
            opened: now,
            // Configured limits only shorten what a token says.
            expires: u64::from(head.expires).min(sessions.config().lifetimes.expires(started, frame.remembered)),
            remembered: frame.remembered,
            active_until: active.map(|(_, activity)| activity.head.expires.into()),
            binding,
        };
        let live = Live { content, facts };
        if let Some(details) = details {
            let valid = activity.valid(id, lifetime.latest_activity(now));
            details.activity.extend(valid);
        }
        return attempt.into_opening(sessions, Ok(live), now);
    }
    let rejected = attempt.rejected.unwrap_or((Reason::Malformed, None, None));
    attempt.into_opening(sessions, Err(rejected), now)
}

/// The findings while cookies are opened.
#[derive(Default)]
struct Attempt {
    /// How many cookies there are.
    count: usize,
    /// Of several rejected tokens, the one that got furthest.
    rejected: Option<Rejected>,
    /// The first cookie of a session in chunks that is missing, and how many cookies that session takes.
    missing: Option<(u8, u8)>,
    genuine: Few<Genuine>,
}

/// The reason, the id of a genuine token, and the key that the token names.
type Rejected = (Reason, Option<SessionId>, Option<KeyId>);

impl Attempt {
    fn into_opening<T: SessionData>(
        self,
        sessions: &Sessions<T>,
        result: Result<Live<T>, Rejected>,
        now: u64,
    ) -> Opening<T> {
        let mut events = Vec::new();
        if sessions.has_observer() {
            let rejected = result.as_ref().err();
            if self.count > 1 {
                events.push(Event::DuplicatesSeen { count: self.count });
            }
            events.extend(rejected.map(|&(reason, id, key_id)| Event::Rejected { reason, id, key_id }));
            let is_incomplete = rejected.is_some_and(|&(reason, ..)| reason == Reason::Incomplete);
            let missing = self.missing.filter(|_| is_incomplete);
            events.extend(missing.map(|(chunk, chunks)| Event::ChunkMissing { chunk, chunks }));
            let live = result.as_ref().ok();
            let unproven = live.filter(|live| matches!(live.facts.binding, Binding::Bound { proven: None, .. }));
            events.extend(unproven.map(|live| Event::Unproven { id: live.facts.id }));
            events.extend(sessions.looked(rejected.map(|&(reason, _, key_id)| (reason, key_id)), now));
        }
        let current = match result {
            Ok(live) => Current::Live(live),
            Err((reason, ..)) => Current::None(SessionState::Rejected(reason)),
        };
        Opening {
            current,
            genuine: self.genuine,
            is_adopted: false,
            events,
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

    /// Steps 1 to 7 for every session cookie. `opened` gets those that open.
    fn open_tokens<'t, T: SessionData>(
        &mut self,
        sessions: &Sessions<T>,
        keys: &Keys<T>,
        fields: &'t RequestFields,
        now: u64,
        opened: &mut Few<Token<'t, T>>,
    ) {
        let config = sessions.config();
        let mut decoded = 0;
        for text in fields.cookies(&config.name) {
            self.count += 1;
            let screened = keys.session.screen_session(text, config.longest_value(), now);
            if screened.is_ok() && decoded == MOST_OPENED {
                // It may be as good as the ones before it, but the work for one request is bounded.
                continue;
            }
            let find = |count| {
                let cookies = |number: u8| fields.cookies(&config.chunk_names[usize::from(number) - 2]);
                Chunks::find(text, count, config.lengths(), cookies)
            };
            let found = screened.and_then(|screened| {
                let chunks = || find(claimed_count(text)?).ok();
                match keys
                    .opened
                    .get(screened.head.session_id, text, chunks, fields.bind(), now)
                {
                    Some(kept) => Ok(Found::Kept(kept)),
                    None => screened.decode().map(Found::New),
                }
            });
            let found = match found {
                Ok(found) => found,
                Err(reason) => {
                    // A value that is no token names no key.
                    let names_key = reason > Reason::Malformed && sessions.has_observer();
                    let claimed = names_key.then(|| claimed_head(text, session_kind(text)).ok()).flatten();
                    self.reject(reason, None, claimed.map(|head| head.key_id));
                    continue;
                }
            };
            decoded += 1;
            let (head, token) = match found {
                Found::Kept(kept) => (kept.head, Ok(Token::Kept(kept))),
                Found::New(token) => {
                    let head = token.head;
                    let mut chunks = None;
                    let mut find = |count| match find(count) {
                        Ok(found) => {
                            chunks = Some(Box::new(found));
                            Some(found)
                        }
                        Err(chunk) => {
                            self.missing.get_or_insert((chunk, count));
                            None
                        }
                    };
                    let opened = keys.session.open_session(token, fields.bind(), &mut find);
                    (head, opened.map(|token| Token::Opened { text, chunks, token }))
                }
            };
            let Head {
                session_id: id,
                expires,
                key_id,
            } = head;
            match token {
                Ok(token) => {
                    let frame = token.frame();
                    self.note(id, sessions.end_of(expires, Some(&frame), now));
                    match sessions.judge(&frame, id, now) {
                        Ok(()) => opened.push(token),
                        Err(reason) => {
                            self.judge(id, token.is_guest(sessions));
                            self.reject(reason, Some(id), Some(key_id));
                            token.forget(&keys.opened);
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
    }
}

/// A token that passed the screening.
enum Found<'k, T> {
    New(Decoded<KeyAt<'k>>),
    Kept(Held<T>),
}
