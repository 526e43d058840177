//! Coming from another library: its cookie becomes a session, so that the switch signs nobody out.
//!
//! [`Builder::adopt`](crate::Builder::adopt) names the old cookie and reads it. A session that is in a store is looked up
//! by a middleware instead: [`Session::adopt`]. docs/migrating has both phases of the switch, and a page for each of the
//! usual libraries.

use std::fmt;
use std::str;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use time::OffsetDateTime;

use crate::aead::Prk;
use crate::error::{ConfigError, Reason};
use crate::headers::cookie::{Attributes, LARGEST};
use crate::ids::SessionId;
use crate::session::event::Event;
use crate::session::{Binding, Current, Facts, Genuine, Live, Opening, SessionData, SessionState};
use crate::sessions::Sessions;
use crate::sessions::builder::Config;
use crate::sessions::handle::Session;
use crate::time::{LEEWAY, LONGEST_LIFE, to_seconds};

/// The cookie in which another library keeps its sessions. A name alone, such as `"session"`, is one with the path `/`
/// and without a domain.
///
/// ```
/// use sealed_session::adopt::OldCookie;
/// let old = OldCookie::named("session").path("/shop").domain("shop.example").beside_old_servers(true);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct OldCookie {
    name: String,
    path: String,
    domain: Option<String>,
    beside_old_servers: bool,
}

impl OldCookie {
    /// The cookie of this name.
    ///
    /// ```
    /// # use sealed_session::adopt::OldCookie;
    /// let old = OldCookie::named("id"); // tower-sessions and actix-session call theirs so
    /// ```
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            path: "/".to_owned(),
            domain: None,
            beside_old_servers: false,
        }
    }

    /// Its `Path`: with another one, browsers do not remove it. Default: `/`.
    ///
    /// ```
    /// # use sealed_session::adopt::OldCookie;
    /// let old = OldCookie::named("session").path("/shop");
    /// ```
    pub fn path(self, path: impl Into<String>) -> Self {
        let path = path.into();
        Self { path, ..self }
    }

    /// Its `Domain`: with another one, browsers do not remove it. Default: none.
    ///
    /// ```
    /// # use sealed_session::adopt::OldCookie;
    /// let old = OldCookie::named("session").domain("shop.example");
    /// ```
    pub fn domain(self, domain: impl Into<String>) -> Self {
        let domain = Some(domain.into());
        Self { domain, ..self }
    }

    /// Phase one of a rolling deploy: servers of the old application still answer, and the visitor goes back and forth.
    /// Default: off, which is phase two.
    ///
    /// A visitor without cookies of ours then keeps the old one. It is read with every request, and none of ours is
    /// sent, whatever the handler does: the old application could not end such a session. So handlers still write the
    /// old cookie themselves, next to each `start`, `update` and `end`. Visitors whom a server in phase two has already
    /// given our cookies keep those.
    ///
    /// ```
    /// # use sealed_session::adopt::OldCookie;
    /// let first_release = OldCookie::named("session").beside_old_servers(true);
    /// let second_release = OldCookie::named("session");
    /// ```
    pub fn beside_old_servers(self, beside_old_servers: bool) -> Self {
        Self {
            beside_old_servers,
            ..self
        }
    }

    /// Refuses what a browser would refuse, and what would read our own cookies.
    pub(super) fn checked(self, until: u64, config: &Config, now: u64) -> Result<Adoption, ConfigError> {
        let refuse = |problem: String| Err(ConfigError::new(problem));
        let name = self.name;
        let ours = [&*config.name, &*config.activity_name];
        let chunks = config.chunk_names.iter().map(|name| &**name);
        if ours.into_iter().chain(chunks).any(|our| our == name) {
            return refuse(format!(
                "`adopt` names `{name}`, which is a cookie of these sessions; choose another `cookie_name`"
            ));
        }
        if until > now.saturating_add(LONGEST_LIFE) {
            return refuse("`adopt` ends more than 400 days from now; browsers keep no cookie that long".to_owned());
        }
        if !config.revoke_on_end {
            return refuse(
                "`adopt` needs `revoke_on_end`: without it, a copy of the old cookie signs in again after a sign-out"
                    .to_owned(),
            );
        }
        let attributes = Attributes {
            path: self.path,
            domain: self.domain,
            partitioned: false,
            ..config.attributes.clone()
        };
        attributes
            .check(&name)
            .map_err(|error| ConfigError::new(format!("`adopt` names `{name}`: {error}")))?;
        Ok(Adoption {
            name,
            attributes,
            until,
            beside_old_servers: self.beside_old_servers,
            adopted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }
}

impl From<&str> for OldCookie {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

impl From<String> for OldCookie {
    fn from(name: String) -> Self {
        Self::named(name)
    }
}

/// What an old cookie held.
///
/// ```
/// use sealed_session::adopt::Adopted;
/// # use time::OffsetDateTime;
/// # struct Login { user: u64 }
/// # let (value, signed_in_at) = ("…", OffsetDateTime::UNIX_EPOCH);
/// let mut old = Adopted::new(value, Login { user: 7 });
/// old.started = Some(signed_in_at); // if the old cookie says so
/// old.remembered = true; // if the browser kept the old cookie when it was closed
/// ```
#[non_exhaustive]
pub struct Adopted<T> {
    /// The session data.
    pub data: T,
    /// When the session started: the absolute timeout counts from then, and a cut-off later than that refuses it.
    /// `None`: the absolute timeout counts from the first request here, and any cut-off refuses it.
    pub started: Option<OffsetDateTime>,
    /// Whether it becomes a [remembered](crate::Session::remember) session. Without
    /// [`remembered`](crate::Builder::remembered) lifetimes it does not.
    pub remembered: bool,
    id: SessionId,
}

impl<T> Adopted<T> {
    /// The data that the old cookie with this value held. The session gets its id from the value: parallel requests
    /// with one cookie have one session, and once it is revoked, no copy of the cookie is adopted.
    ///
    /// A cookie must have **one** spelling, or a thief spells a revoked one anew. So give here what the old library
    /// verified: after percent-decoding, for example, and for a session in a store its key.
    ///
    /// ```
    /// use sealed_session::adopt::Adopted;
    /// assert_eq!(Adopted::new("old value", 7).id(), Adopted::new("old value", 8).id());
    /// assert_ne!(Adopted::new("old value", 7).id(), Adopted::new("another", 7).id());
    /// ```
    #[must_use]
    pub fn new(value: impl AsRef<[u8]>, data: T) -> Self {
        Self {
            data,
            started: None,
            remembered: false,
            id: derived_id(value.as_ref(), b"old cookie"),
        }
    }

    /// The id that the session has here (SPEC.md, *Old cookies*): to [revoke](crate::Sessions::revoke) one that is in a
    /// store, for example.
    ///
    /// ```
    /// # use sealed_session::adopt::Adopted;
    /// assert_eq!(Adopted::new("old value", 7).id().to_string(), "92232abbc2bde6e9");
    /// ```
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }
}

impl<T> fmt::Debug for Adopted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adopted")
            .field("id", &self.id)
            .field("started", &self.started)
            .field("remembered", &self.remembered)
            .finish_non_exhaustive()
    }
}

/// `Expand(Extract("sealed-session/v1", bytes), label, 8)`. No secret of ours goes into it: a rotation would change the
/// id.
fn derived_id(bytes: &[u8], label: &[u8]) -> SessionId {
    SessionId(*Prk::extract(b"sealed-session/v1", bytes).expand(&[label]))
}

/// Revoked when a session gives up its id: an old cookie is not adopted under that id any more, while other requests of
/// the visitor may still come with it in a cookie of ours.
pub(super) fn spent(id: SessionId) -> SessionId {
    derived_id(&id.0, b"spent")
}

pub(crate) type ReadOld<T> = Box<dyn Fn(&str) -> Option<Adopted<T>> + Send + Sync>;

/// The checked options, and counters.
pub(crate) struct Adoption {
    pub(super) name: String,
    pub(super) attributes: Attributes,
    /// From this Unix second on, nothing is adopted.
    pub(super) until: u64,
    pub(super) beside_old_servers: bool,
    adopted: AtomicU64,
    refused: AtomicU64,
}

impl Adoption {
    /// When the last server stops adopting.
    pub(super) fn ends(&self) -> u64 {
        self.until.saturating_add(LEEWAY)
    }
}

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
    /// use time::{Duration, OffsetDateTime};
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let until = OffsetDateTime::now_utc() + Duration::days(30);
    /// let sessions = Sessions::<Login>::builder(ring).adopt("id", until, |_| None).build()?;
    /// let session = sessions.load(RequestFields::from_cookies(["theme=dark; id=Rkyz"]));
    /// assert_eq!(session.old_cookies(), ["Rkyz"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn old_cookies(&self) -> Vec<&str> {
        let adoption = self.sessions().config().adoption.as_ref();
        match adoption {
            Some(adoption) if !self.is_opened() && self.now() < adoption.until => {
                self.old_values(adoption).filter_map(Result::ok).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What a store had for the [old cookies](Self::old_cookies). The first one becomes the session if the handler
    /// accesses it and no cookie of ours came; next to one of ours they end with that session. A response that does not
    /// access the session is left alone. Returns whether this was in time: `false` once the session was accessed, and
    /// for a second call.
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
        !self.is_opened() && self.shared.looked_up.set(found()).is_ok()
    }

    /// Whether a session cookie of ours came, good or bad.
    pub(super) fn has_our_cookie(&self) -> bool {
        self.shared
            .fields
            .cookies(&self.sessions().config().name)
            .next()
            .is_some()
    }

    /// Whether the first access might adopt an old cookie.
    pub(super) fn has_old_cookie_alone(&self) -> bool {
        let adoption = self.sessions().config().adoption.as_ref();
        adoption.is_some_and(|adoption| self.old_cookie_came(adoption)) && !self.has_our_cookie()
    }

    pub(super) fn old_cookie_came(&self, adoption: &Adoption) -> bool {
        self.found().is_some() || self.shared.fields.cookies(&adoption.name).next().is_some()
    }

    /// Whether the old cookie stays the visitor's session, and none of ours is sent.
    pub(super) fn stays_with_old_cookie(&self) -> bool {
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
    pub(super) fn with_old(&self, adoption: &Adoption, mut opening: Opening<T>) -> Opening<T> {
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
        let is_revoked = sessions.is_revoked(old.id, said.unwrap_or(0));
        if is_revoked || sessions.shared.revocations.is_revoked(spent(old.id)) {
            return Err(Reason::Revoked);
        }
        let started = said.unwrap_or(now).min(now);
        let expires = lifetimes.expires(started, remembered);
        if u32::try_from(expires).is_err() {
            return Err(Reason::ExpiresTooFar);
        }
        let content = self.content(&old.data, 0).map_err(|_| Reason::Payload)?;
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

    fn report_old(&self, adoption: &Adoption, opening: &mut Opening<T>, refused: Option<Refused>, now: u64) {
        let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed) + 1;
        let adopted = opening.current.live().map(|live| live.facts.id);
        let (event, refused) = match (adopted, refused) {
            (Some(id), _) => {
                let total = count(&adoption.adopted);
                (Event::Adopted { id, total }, None)
            }
            (None, refused) => {
                let (reason, id) = refused.unwrap_or((Reason::Malformed, None));
                opening.current = Current::None(SessionState::Rejected(reason));
                let total = count(&adoption.refused);
                (Event::NotAdopted { reason, id, total }, Some((reason, None)))
            }
        };
        if self.sessions().has_observer() {
            opening.events.push(event);
            opening.events.extend(self.sessions().looked(refused, now));
        }
    }
}

impl<T: SessionData> Sessions<T> {
    /// Refuses the old cookie of a session that gave up this id.
    pub(super) fn give_up(&self, id: SessionId, now: u64) {
        let adoption = self.config().adoption.as_ref();
        if let Some(adoption) = adoption.filter(|adoption| now < adoption.ends()) {
            self.revoke_until(spent(id), adoption.ends(), now);
        }
    }
}
