//! One request's way through the sessions: loaded, kept, finished.

use std::any::Any;
use std::error;
use std::fmt;
use std::sync::{Arc, OnceLock};
#[cfg(any(feature = "tower", feature = "actix"))]
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cookie;
use crate::error::SealError;
use crate::headers::{CacheRule, Finding, Patch, RequestFields};
use crate::ids::SessionId;
use crate::session::event::Event;
use crate::session::lifetime::Lifetimes;
use crate::session::{Change, Current, Done, Ending, Facts, Genuine, Keeper, Live, Opening, Session};
use crate::sessions::Sessions;
use crate::sessions::opening;
use crate::sessions::table::{self, CookieAction, Outcome, Row};
use crate::token::aead::{self, NoRandomness};
use crate::token::envelope::{ACTIVITY_LEN, Frame, OVERHEAD, SALT_LEN};
use crate::token::{State, base64url};

/// One request's way through the sessions: what its [`Session`] keeps hold of.
pub(crate) struct Loaded<T> {
    pub(crate) sessions: Sessions<T>,
    pub(crate) fields: RequestFields,
    /// A clock that stands still, or the sessions' own.
    pub(crate) now: Option<u64>,
    /// Drawn with the id of a session that starts here, for the one seal at the end.
    pub(crate) salt: OnceLock<[u8; SALT_LEN]>,
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Keeper<T> for Loaded<T> {
    fn open(&self) -> Opening<T> {
        opening::open(&self.sessions, &self.fields, self.now())
    }

    fn now(&self) -> u64 {
        self.now.unwrap_or_else(|| self.sessions.now())
    }

    fn new_id(&self) -> Result<SessionId, SealError> {
        let (id, salt) = self.fresh_id_and_salt()?;
        // Of several ids in one request, each is as fresh as the next: one salt is enough, since one seal follows.
        let _ = self.salt.set(salt);
        Ok(SessionId(id))
    }

    fn lifetimes(&self) -> &Lifetimes {
        &self.sessions.shared.config.lifetimes
    }

    fn check_size(&self, payload: &[u8]) -> Result<(), SealError> {
        let config = &self.sessions.shared.config;
        let padded = payload.len().saturating_add(padding(payload.len(), config.pad_to));
        let size = config.name.len() + base64url::encoded_len(OVERHEAD.saturating_add(padded));
        if size <= cookie::LARGEST {
            return Ok(());
        }
        Err(SealError::TooLarge {
            size,
            limit: cookie::LARGEST,
            largest_field: largest_field(payload),
        })
    }

    fn observe(&self, event: &Event) {
        self.sessions.observe(event);
    }

    fn end(&self, genuine: &[Genuine]) {
        self.sessions.end(genuine, self.now());
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Loaded<T> {
    fn fresh_id_and_salt(&self) -> Result<([u8; 8], [u8; SALT_LEN]), SealError> {
        aead::fresh_id_and_salt(self.sessions.shared.random).map_err(|NoRandomness| SealError::RandomSource)
    }

    /// The salt of this request's only seal.
    fn salt(&self) -> Result<[u8; SALT_LEN], SealError> {
        match self.salt.get() {
            Some(salt) => Ok(*salt),
            None => Ok(self.fresh_id_and_salt()?.1),
        }
    }

    fn patch(&self, cache: CacheRule) -> Patch {
        let observer = self.sessions.shared.observer.clone();
        let report = observer.map(|observer| -> Arc<dyn Fn(Finding) + Send + Sync> {
            Arc::new(move |finding| {
                observer.event(&match finding {
                    Finding::PublicRemoved => Event::PublicRemoved,
                    Finding::LargeHeaderBlock { bytes } => Event::LargeHeaderBlock { bytes },
                });
            })
        });
        Patch {
            cookies: Vec::new(),
            cache,
            vary_field: Arc::clone(&self.sessions.shared.config.vary_field),
            clear_site_data: false,
            report,
        }
    }

    /// Whether this response would send an activity cookie.
    fn due_renewal(&self, ending: &Ending<'_, T>, live: &Live<T>, status: u16, now: u64) -> bool {
        let config = &self.sessions.shared.config;
        if !table::takes_cookie(status) {
            return false;
        }
        if table::asks_renewal(ending) {
            return true;
        }
        let lifetime = config.lifetimes.of(live.facts.remembered);
        let expires = live.facts.expires;
        let (Some(old), Some(new)) = (live.facts.active_until, lifetime.active_until(now, expires)) else {
            return false;
        };
        lifetime.renewal_is_due(old, new, expires)
            && !self.fields.is_prefetch()
            && config.renew_when.as_ref().is_none_or(|counts| counts(&self.fields))
    }

    fn finish(&self, ending: &Ending<'_, T>, status: u16) -> Result<Patch, FinishError> {
        let config = &self.sessions.shared.config;
        let mut outcome = Outcome::of(ending, status, config.write_on_server_error);
        let (live, done) = match ending {
            Ending::Touched {
                last: Current::Live(live),
                done,
                ..
            } => (Some(live), *done),
            _ => (None, Done::default()),
        };
        let now = self.now();
        if outcome == Outcome::Discarded || (outcome == Outcome::Cleared && live.is_some()) {
            self.observe(&Event::WriteDiscarded { status });
        }
        if let Some(live) = live
            && !matches!(outcome, Outcome::Discarded | Outcome::Cleared)
            && (live.facts.expires <= now || self.was_refused_meanwhile(ending, live, outcome))
        {
            if done.change != Change::None {
                let came = match ending {
                    Ending::Touched {
                        first: Current::Live(came),
                        ..
                    } => came,
                    _ => live,
                };
                self.observe(&Event::EndedMeanwhile { id: came.facts.id });
            }
            outcome = Outcome::ReadRejected;
        }
        let renewal = live.is_some_and(|live| self.due_renewal(ending, live, status, now));
        let active = live.is_some_and(|live| config.lifetimes.of(live.facts.remembered).idle.is_some());
        let row = outcome.row(renewal && active, active);
        let mut patch = self.patch(row.cache);
        patch.clear_site_data = config.clear_site_data && outcome == Outcome::Cleared;
        let sealed = match live {
            Some(live) => self.add_sent(&mut patch, live, row, now),
            None => Ok(()),
        };
        if let Err(error) = sealed {
            self.observe(&Event::SealingFailed);
            return Err(FinishError {
                error,
                patch: self.patch(CacheRule::Private),
            });
        }
        // The session cookie's removal comes last: curl up to 7.88 keeps all but the last cookie that one response removes.
        for (action, name) in [(row.activity, &config.activity_name), (row.session, &config.name)] {
            if action == CookieAction::Remove {
                patch
                    .cookies
                    .push((Arc::clone(name), config.attributes.write_removal(name)));
            }
        }
        self.report(ending, outcome, row);
        // Last, so that an observer that panics before leaves the visitor the session that came: this response is lost then.
        let takes_its_place = matches!(done.change, Change::Replaced | Change::Started) && !done.cleared;
        if let Ending::Touched { genuine, .. } = ending
            && matches!(outcome, Outcome::Cycled | Outcome::Started)
            && takes_its_place
        {
            self.sessions.end(genuine, now);
        }
        Ok(patch)
    }

    /// Whether the session that this request opened was revoked or cut off while it was served, or is now refused by the
    /// application: what it wrote, and a new id above all, must not carry the session past that. Nor must a session that it
    /// started, perhaps with what it had read in the one that ended; but one that it started after its own sign-out is
    /// another one.
    ///
    /// The application's check sees the data as they would be written: a request that raised the generation in the user's
    /// record and in its own session keeps that session, and the others lose theirs.
    fn was_refused_meanwhile(&self, ending: &Ending<'_, T>, last: &Live<T>, outcome: Outcome) -> bool {
        let Ending::Touched {
            first: Current::Live(came),
            done: Done { cleared: false, .. },
            ..
        } = ending
        else {
            return false;
        };
        let Facts {
            id, started, opened, ..
        } = came.facts;
        // A start that was claimed to lie ahead passes no cut-off that was raised since.
        self.sessions.is_revoked(id, started.min(opened))
            || (outcome != Outcome::Started && self.sessions.refuses(&last.content.data, id, last.facts.started))
    }

    /// Seals what the row says is sent.
    fn add_sent(&self, patch: &mut Patch, live: &Live<T>, row: Row, now: u64) -> Result<(), SealError> {
        let config = &self.sessions.shared.config;
        let keys = self.sessions.keys();
        let Facts { id, remembered, .. } = live.facts;
        // A start ahead of this clock (by less than the leeway) moves back to it, and the expiry with it.
        let started = live.facts.started.min(now);
        let expires = live.facts.expires.min(config.lifetimes.expires(started, remembered));
        // A persistent cookie lasts exactly as long as its token; any other ends with the browser's session.
        let max_age = |expires: u64| remembered.then_some(expires - now);
        if row.session == CookieAction::Send {
            let instant = |seconds: u64| u32::try_from(seconds).map_err(|_| SealError::Expiry);
            let frame = Frame {
                started: instant(started)?,
                sealed: instant(now)?,
                remembered,
            };
            let payload = live.content.payload();
            let payload = payload.as_bytes();
            let state = State {
                session_id: id,
                expires,
                frame,
                payload,
                padding: padding(payload.len(), config.pad_to),
            };
            let salt = self.salt()?;
            let length = base64url::encoded_len(OVERHEAD + payload.len() + state.padding);
            let line = config
                .attributes
                .write(&config.name, length, max_age(expires), |line| {
                    keys.session.seal_session(&state, self.fields.bind(), now, &salt, line)
                })?;
            patch.cookies.push((Arc::clone(&config.name), line));
        }
        let lifetime = config.lifetimes.of(remembered);
        if row.activity == CookieAction::Send
            && let Some(expires) = lifetime.active_until(now, expires)
        {
            const LENGTH: usize = base64url::encoded_len(ACTIVITY_LEN);
            let line = config
                .attributes
                .write(&config.activity_name, LENGTH, max_age(expires), |line| {
                    keys.activity.seal_activity(id, expires, self.fields.bind(), now, line)
                })?;
            patch.cookies.push((Arc::clone(&config.activity_name), line));
        }
        Ok(())
    }

    fn report(&self, ending: &Ending<'_, T>, outcome: Outcome, row: Row) {
        let Ending::Touched { first, last, .. } = ending else {
            return;
        };
        let id = |current: &Current<T>| match current {
            Current::Live(live) => Some(live.facts.id),
            Current::None(_) => None,
        };
        if outcome == Outcome::Cleared {
            self.observe(&Event::Cleared { id: id(first) });
        }
        let Some(now) = id(last) else {
            return;
        };
        match outcome {
            Outcome::Started => self.observe(&Event::Started { id: now }),
            Outcome::Cycled => match id(first).filter(|&previous| previous != now) {
                Some(previous) => self.observe(&Event::Cycled { id: now, previous }),
                None => self.observe(&Event::Updated { id: now }),
            },
            Outcome::Written => self.observe(&Event::Updated { id: now }),
            _ => {}
        }
        if row.activity == CookieAction::Send && matches!(outcome, Outcome::ReadValid | Outcome::Written) {
            self.observe(&Event::Renewed { id: now });
        }
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Session<T> {
    /// Ends the session's part in this request and says what to do to the response of this status. Sealing happens
    /// here, once; later writes are errors, and so is a second `finish`.
    ///
    /// # Errors
    /// [`FinishError`] if sealing failed: answer with a 500 and apply its [`patch`](FinishError::patch) nevertheless,
    /// so that no cache stores the response. The visitor's old cookie stays.
    pub fn finish(&self, status: u16) -> Result<Patch, FinishError> {
        let loaded = self.loaded();
        match self.close() {
            Ok(ending) => loaded.finish(&ending, status),
            Err(error) => Err(FinishError {
                error,
                patch: loaded.patch(CacheRule::Private),
            }),
        }
    }

    fn loaded(&self) -> &Loaded<T> {
        let keeper: &dyn Any = self.keeper();
        keeper
            .downcast_ref::<Loaded<T>>()
            .expect("only `Sessions` makes sessions, with this keeper")
    }
}

#[cfg(any(feature = "tower", feature = "actix"))]
impl<T: 'static> Session<T> {
    /// Ends the session's part in a request that gets no response from here: what was written is lost, and the removal of
    /// the cookies too, so nothing is sealed and no event says that it was sent. A sign-out has revoked the session already.
    pub(crate) fn abandon(&self) {
        const FAILED: u16 = 500;
        let Ok(ending) = self.close_unopened() else {
            return;
        };
        match Outcome::of(&ending, FAILED, false) {
            // An observer that panics while a panic unwinds would end the process.
            Outcome::Cleared | Outcome::Discarded if !thread::panicking() => {
                self.keeper().observe(&Event::WriteDiscarded { status: FAILED });
            }
            _ => {}
        }
    }
}

/// The session could not be sealed at the end of a request.
#[derive(Debug)]
pub struct FinishError {
    error: SealError,
    patch: Patch,
}

impl FinishError {
    /// What to do to the response all the same: it depends on the session and must not be stored.
    pub fn patch(&self) -> &Patch {
        &self.patch
    }

    /// Why it could not be sealed.
    #[must_use]
    pub fn seal_error(&self) -> &SealError {
        &self.error
    }
}

impl fmt::Display for FinishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the session could not be sealed at the end of the request")
    }
}

impl error::Error for FinishError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<FinishError> for SealError {
    fn from(failed: FinishError) -> Self {
        failed.error
    }
}

/// Spaces that bring `length` to the next multiple of `pad_to`.
fn padding(length: usize, pad_to: usize) -> usize {
    length.next_multiple_of(pad_to) - length
}

/// The top-level field whose JSON is longest, for the error that tells what to leave out.
fn largest_field(payload: &[u8]) -> Option<(String, usize)> {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(payload).ok()?;
    let sizes = fields.into_iter().map(|(name, value)| (name, value.to_string().len()));
    sizes.max_by_key(|&(_, size)| size)
}
