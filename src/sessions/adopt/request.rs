//! How a request adopts an old cookie, and how its response replaces it.

use std::str;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Reason;
use crate::headers::cookie::LARGEST;
use crate::headers::{CacheRule, Patch};
use crate::ids::SessionId;
use crate::session::event::Event;
use crate::session::{Binding, Current, Facts, Genuine, Live, Opening, SessionData, SessionState};
use crate::sessions::Sessions;
use crate::sessions::adopt::{Adopted, Adoption, spent};
use crate::sessions::handle::Session;
use crate::sessions::table::{Outcome, takes_cookie};
use crate::time::to_seconds;

/// Most old cookies of one request that are read. `read` is the application's, and may be slow.
const MOST_READ: usize = 8;

/// Why an old cookie was refused, and the id of a readable one.
type Refused = (Reason, Option<SessionId>);

impl<T: SessionData> Session<T> {
    /// The values of the old cookies, for a middleware that looks one up and [adopts](Self::adopt) it. Nothing is opened
    /// for that. At most 8; none if the session was accessed before, or if the time for
    /// [`adopt`](crate::Builder::adopt) is over.
    ///
    /// ```
    /// # use time::{Duration, OffsetDateTime};
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// # let until = OffsetDateTime::now_utc() + Duration::days(30);
    /// let sessions = Sessions::<Login>::builder(ring).adopt("id", until, |_| None).build()?;
    /// let session = sessions.load(RequestFields::from_cookies(["theme=dark; id=Rkyz"]));
    /// assert_eq!(session.old_cookies(), ["Rkyz"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn old_cookies(&self) -> Vec<&str> {
        let adoption = self.sessions().config().adoption.as_ref();
        match adoption {
            Some(adoption) if self.adopts_now() => self.old_values(adoption).filter_map(Result::ok).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether an old cookie may be adopted, and the session was not accessed.
    fn adopts_now(&self) -> bool {
        let adoption = self.sessions().config().adoption.as_ref();
        !self.is_opened() && adoption.is_some_and(|adoption| self.now() < adoption.until)
    }

    /// What a store had for the [old cookies](Self::old_cookies). The first one becomes the session if the handler
    /// accesses it and no cookie of ours came; next to one of ours they end with that session. A response that does not
    /// access the session is left alone. Returns whether this was in time: `false` once the session was accessed, when
    /// the time for [`adopt`](crate::Builder::adopt) is over, and for a second call.
    ///
    /// Call it in a middleware inside of the one that loads the session.
    ///
    /// ```
    /// use sealed_session::adopt::Adopted;
    /// # use time::{Duration, OffsetDateTime};
    /// # use sealed_session::{Key, KeyRing, RequestFields, Session, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # fn in_store(key: &str) -> Option<Login> { (key == "Rkyz").then_some(Login { user: 7 }) }
    /// fn adopt(session: &Session<Login>) {
    ///     let look_up = |key| Some(Adopted::new(key, in_store(key)?));
    ///     session.adopt(session.old_cookies().into_iter().filter_map(look_up));
    /// }
    /// # let until = OffsetDateTime::now_utc() + Duration::days(30);
    /// # let ring = KeyRing::new(Key::generate()?);
    /// # let sessions = Sessions::<Login>::builder(ring).adopt("id", until, |_| None).build()?;
    /// let session = sessions.load(RequestFields::from_cookies(["id=Rkyz"]));
    /// adopt(&session);
    /// assert_eq!(session.get().map(|login| login.user), Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn adopt(&self, found: impl IntoIterator<Item = Adopted<T>>) -> bool {
        let found = || found.into_iter().take(MOST_READ).collect();
        self.adopts_now() && self.shared.looked_up.set(found()).is_ok()
    }

    /// Whether a session cookie of ours came, good or bad.
    pub(in crate::sessions) fn has_our_cookie(&self) -> bool {
        self.shared
            .fields
            .cookies(&self.sessions().config().name)
            .next()
            .is_some()
    }

    /// Whether the first access might adopt an old cookie.
    pub(in crate::sessions) fn has_old_cookie_alone(&self) -> bool {
        let adoption = self.sessions().config().adoption.as_ref();
        adoption.is_some_and(|adoption| self.old_cookie_came(adoption)) && !self.has_our_cookie()
    }

    pub(in crate::sessions) fn old_cookie_came(&self, adoption: &Adoption) -> bool {
        self.found().is_some() || self.shared.fields.cookies(&adoption.name).next().is_some()
    }

    /// Whether the old cookie stays the visitor's session, and none of ours is sent.
    pub(in crate::sessions) fn stays_with_old_cookie(&self) -> bool {
        let adoption = self.sessions().config().adoption.as_ref();
        adoption.is_some_and(|adoption| adoption.beside_old_servers) && !self.has_our_cookie()
    }

    /// What a middleware found.
    fn found(&self) -> Option<&[Adopted<T>]> {
        self.shared
            .looked_up
            .get()
            .map(Box::as_ref)
            .filter(|found| !found.is_empty())
    }

    fn old_values<'a>(&'a self, adoption: &'a Adoption) -> impl Iterator<Item = Result<&'a str, Reason>> {
        let values = self.shared.fields.cookies(&adoption.name).take(MOST_READ);
        values.map(|value| {
            let text = str::from_utf8(value).ok();
            text.filter(|text| (1..=LARGEST).contains(&text.len()))
                .ok_or(Reason::Malformed)
        })
    }

    /// Completes what our cookies opened to by the old cookies: the first good one is the session if no cookie of ours
    /// came. All that can be read are noted, so that a sign-out revokes them.
    #[cold]
    pub(in crate::sessions) fn with_old(&self, adoption: &Adoption, mut opening: Opening<T>) -> Opening<T> {
        if !self.old_cookie_came(adoption) {
            return opening;
        }
        let now = self.now();
        let is_absent = opening.current.state() == SessionState::Absent;
        let mut refused: Option<Refused> = None;
        let mut refuse = |reason, id| {
            if refused.is_none_or(|(other, _)| other < reason) {
                refused = Some((reason, id));
            }
        };
        let mut consider = |old: Result<&Adopted<T>, Reason>| match old {
            Err(reason) => refuse(reason, None),
            Ok(old) => {
                self.note(&mut opening, old, now);
                if is_absent && opening.current.live().is_none() {
                    match self.judge(old, now) {
                        Ok(live) => {
                            opening.current = Current::Live(live);
                            opening.is_adopted = !self.stays_with_old_cookie();
                        }
                        Err(reason) => refuse(reason, Some(old.id)),
                    }
                }
            }
        };
        let read = self.sessions().shared.checks.read_old.as_ref();
        if now >= adoption.until {
            consider(Err(Reason::Expired));
        } else if let Some(found) = self.found() {
            found.iter().for_each(|old| consider(Ok(old)));
        } else {
            for value in self.old_values(adoption) {
                let old = value.and_then(|value| read.and_then(|read| read(value)).ok_or(Reason::NotOurs));
                consider(old.as_ref().map_err(|&reason| reason));
            }
        }
        if is_absent {
            self.report_old(adoption, &mut opening, refused, now);
        }
        opening
    }

    fn note(&self, opening: &mut Opening<T>, old: &Adopted<T>, now: u64) {
        let is_guest = !self.sessions().counts_as_signed_in(&old.data);
        let of_ours = opening.genuine.iter_mut().find(|genuine| genuine.id == old.id);
        if let Some(genuine) = of_ours {
            genuine.is_guest &= is_guest;
            return;
        }
        let until = self.sessions().end_of_any(now);
        let id = old.id;
        opening.genuine.push(Genuine { id, until, is_guest });
    }

    /// The session that an old cookie becomes.
    fn judge(&self, old: &Adopted<T>, now: u64) -> Result<Live<T>, Reason> {
        let sessions = self.sessions();
        let lifetimes = sessions.config().lifetimes;
        let remembered = old.remembered && lifetimes.remembered.is_some();
        let said = old.started.map(to_seconds);
        lifetimes.judge(said.unwrap_or(now), remembered, now)?;
        // A session that may have started at any time may have started before the cut-off.
        if sessions.is_revoked(old.id, said.unwrap_or(0)) || sessions.is_spent(old.id) {
            return Err(Reason::Revoked);
        }
        let started = said.unwrap_or(now).min(now);
        let expires = lifetimes.expires(started, remembered);
        if u32::try_from(expires).is_err() {
            return Err(Reason::ExpiresTooFar);
        }
        let content = self.unreported_content(&old.data, 0).map_err(|_| Reason::Payload)?;
        if sessions.refuses(&content.data, old.id, started) {
            return Err(Reason::Refused);
        }
        if !self.stays_with_old_cookie() {
            // Without random bytes it is served all the same, and the next request adopts it.
            let _ = self.draw_salt();
        }
        Ok(Live {
            content: Arc::new(content),
            facts: Facts {
                id: old.id,
                started,
                opened: now,
                expires,
                remembered,
                active_until: None,
                binding: Binding::Offered,
            },
        })
    }

    /// A session of ours takes the place of the old cookie, unless the old application still needs it; a sign-out ends
    /// both.
    pub(in crate::sessions) fn remove_old_cookie(&self, patch: &mut Patch, outcome: Outcome, status: u16) {
        let Some(adoption) = &self.sessions().config().adoption else {
            return;
        };
        let is_replaced = match outcome {
            Outcome::Ended => true,
            Outcome::ReadValid | Outcome::Written | Outcome::Cycled | Outcome::Adopted | Outcome::Started => {
                !adoption.beside_old_servers && takes_cookie(status) && self.old_cookie_came(adoption)
            }
            Outcome::Untouched | Outcome::ReadAbsent | Outcome::ReadRejected | Outcome::Discarded => false,
        };
        if is_replaced {
            patch.cookies.push(adoption.attributes.write_removal(&adoption.name));
            patch.cache = CacheRule::NoStore;
        }
    }

    fn report_old(&self, adoption: &Adoption, opening: &mut Opening<T>, refused: Option<Refused>, now: u64) {
        let adopted = opening.current.live().map(|live| live.facts.id);
        let (reason, id) = refused.unwrap_or((Reason::Malformed, None));
        if adopted.is_none() {
            opening.current = Current::None(SessionState::Rejected(reason));
        }
        if !self.sessions().has_observer() {
            return;
        }
        let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed) + 1;
        let (event, alarming) = match adopted {
            Some(id) => {
                let total = count(&adoption.adopted);
                (Event::Adopted { id, total }, None)
            }
            None => {
                let total = count(&adoption.refused);
                // That the time is over is no alarm.
                let alarming = (reason != Reason::Expired).then_some((reason, None));
                (Event::NotAdopted { reason, id, total }, alarming)
            }
        };
        opening.events.push(event);
        opening.events.extend(self.sessions().looked(alarming, now));
    }
}

impl<T: SessionData> Sessions<T> {
    /// Refuses the old cookie of a session that gave up this id, or that is bound to a device from now on.
    pub(crate) fn give_up(&self, id: SessionId, now: u64) {
        let adoption = self.config().adoption.as_ref();
        if let Some(adoption) = adoption.filter(|adoption| now < adoption.ends()) {
            self.revoke_until(spent(id), adoption.ends(), now);
        }
    }

    /// Whether an old cookie is not adopted under this id any more.
    pub(in crate::sessions) fn is_spent(&self, id: SessionId) -> bool {
        self.shared.revocations.is_revoked(spent(id))
    }
}
