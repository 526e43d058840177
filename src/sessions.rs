//! `Sessions<T>`: everything that an application's sessions have in common, and how a request passes through them.

pub(crate) mod adopt;
mod alarm;
pub(crate) mod builder;
mod config;
#[cfg(feature = "device")]
pub(crate) mod device_binding;
pub mod edge;
mod finishing;
mod handle;
mod layout;
pub(crate) mod opened;
pub(crate) mod opening;
pub(crate) mod reload;
pub mod sealer;
mod table;
mod writing;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::{ArcSwap, Guard};
use time::OffsetDateTime;

use crate::aead::NoRandomness;
use crate::error::{ConfigError, Reason, WriteError};
use crate::few::Few;
use crate::headers::{RequestFields, Watch};
use crate::ids::{KeyId, SessionId};
use crate::keys::day_keys::Place;
use crate::keys::ring::{KeyAt, KeyRing};
use crate::revocation::{Revocation, RevocationList};
use crate::session::event::Event;
use crate::session::{Genuine, Opened, SessionData, from_payload};
use crate::time::{LEEWAY, LONGEST_LIFE, from_seconds, to_seconds, to_seconds_rounded_up};
use crate::token::PlacedRing;
use crate::token::envelope::Frame;

pub use self::handle::Session;

use self::adopt::Adoption;
use self::alarm::Alarm;
use self::builder::Builder;
use self::config::{Checks, Clock, Config};
#[cfg(feature = "device")]
use self::device_binding::DeviceKeys;
use self::opened::OpenedCache;

/// The sessions of an application: configuration, keys, cut-off and revoked ids. Cheap to clone, shared by all threads.
///
/// ```
/// use sealed_session::{Key, KeyRing, RequestFields, Sessions};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize)]
/// struct Login { user: u64 }
///
/// let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).audience("shop").build()?;
///
/// // A request comes in, a visitor signs in, the response goes out.
/// let mut session = sessions.load(RequestFields::from_cookies(["theme=dark"]));
/// session.start(Login { user: 7 })?;
/// let mut headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
/// session.finish(200, &mut headers);
/// assert!(headers.iter().any(|(name, value)| name == "Set-Cookie" && value.starts_with("__Host-id=")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sessions<T> {
    shared: Arc<Shared<T>>,
    /// `None` in the handle of a lane itself.
    lanes: Option<Arc<[Arc<Lane<T>>]>>,
}

/// A handle for the requests of some threads. It has a reference count of its own: threads that count on one place for
/// each request wait for each other.
#[repr(align(128))]
pub(crate) struct Lane<T>(Sessions<T>);

/// More threads than this share lanes.
const LANES: usize = 16;

struct Shared<T> {
    config: Config,
    checks: Checks<T>,
    keys: ArcSwap<Keys<T>>,
    /// Sessions that started before this Unix second are refused.
    cut_off: AtomicU64,
    revocations: Box<dyn RevocationList>,
    watch: Option<Arc<Watch>>,
    alarm: Alarm,
    clock: Clock,
    random: fn(&mut [u8]) -> Result<(), NoRandomness>,
}

/// The ring, placed for each of the two cookies, and the sessions that it opened: they go with it.
pub(crate) struct Keys<T> {
    pub(crate) session: PlacedRing,
    pub(crate) activity: PlacedRing,
    #[cfg(feature = "device")]
    pub(crate) device: Option<DeviceKeys>,
    pub(crate) opened: OpenedCache<T>,
}

impl<T> Keys<T> {
    fn new(config: &Config, ring: &Arc<KeyRing>) -> Result<Self, ConfigError> {
        let placed = |name: &str| {
            let place = Place::new(name, &config.audience);
            place.map(|place| PlacedRing::new(Arc::clone(ring), place))
        };
        let session = placed(&config.name);
        // Without an idle timeout this name may be too long. It is then never used.
        let activity = placed(&config.activity_name).or_else(|| placed(&config.name));
        let (Some(session), Some(activity)) = (session, activity) else {
            return Err(ConfigError::new(
                "cookie name and audience take at most 255 bytes each; shorten them",
            ));
        };
        Ok(Self {
            session,
            activity,
            #[cfg(feature = "device")]
            device: config
                .device
                .as_ref()
                .and_then(|_| DeviceKeys::new(&config.name, placed)),
            opened: OpenedCache::new(config.opened_cache),
        })
    }

    /// Another ring for the same two cookies.
    fn with_ring(&self, config: &Config, ring: &Arc<KeyRing>) -> Self {
        Self {
            session: self.session.with_ring(Arc::clone(ring)),
            activity: self.activity.with_ring(Arc::clone(ring)),
            #[cfg(feature = "device")]
            device: self.device.as_ref().map(|device| device.with_ring(ring)),
            opened: OpenedCache::new(config.opened_cache),
        }
    }

    /// The keys that `next` lacks, and for each whether tokens of it are alive at `now`, as far as this server knows.
    fn dropped_by(&self, next: &KeyRing, now: u64) -> Vec<(KeyId, bool)> {
        let dropped = self.session.dropped_by(next, now);
        #[cfg(feature = "device")]
        let dropped = dropped.map(|(id, in_use)| {
            let names = |(other, in_use)| other == id && in_use;
            let of_devices = self.device.as_ref().map(|device| device.key.dropped_by(next, now));
            (id, in_use || of_devices.into_iter().flatten().any(names))
        });
        dropped.collect()
    }
}

impl<T: SessionData> Sessions<T> {
    /// Configures sessions that are sealed with the keys of this ring (a [`KeyRing`] or an `Arc` of one). Servers with
    /// the same ring open each other's sessions.
    ///
    /// ```
    /// use std::sync::Arc;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// let ring = Arc::new(KeyRing::new(Key::generate()?));
    /// let one = Sessions::<Login>::builder(Arc::clone(&ring)).build()?;
    /// let another = Sessions::<Login>::builder(ring).build()?; // a server with the same secret
    /// let stranger = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    ///
    /// let cookie = one.cookie_for(Login { user: 7 })?;
    /// assert!(another.load(RequestFields::from_cookies([cookie.clone()])).get().is_some());
    /// assert!(stranger.load(RequestFields::from_cookies([cookie])).get().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(keys: impl Into<Arc<KeyRing>>) -> Builder<T> {
        Builder::new(keys.into())
    }

    /// The session of a request. It is opened when it is first accessed.
    ///
    /// A bad cookie is no error: then there is no session, and [`state`](Session::state) says why.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let cookie = sessions.cookie_for(Login { user: 7 })?; // as a browser sends it
    /// let session = sessions.load(RequestFields::from_cookies([cookie]));
    /// assert_eq!(session.get().map(|login| login.user), Some(7));
    ///
    /// let session = sessions.load(RequestFields::from_cookies(["__Host-id=made-up"]));
    /// assert!(session.get().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn load(&self, fields: RequestFields) -> Session<T> {
        Session::new(self.lane(), fields, None)
    }

    /// The session of a request at `now`, for tests and simulations: its clock does not move. Fractions of a second are
    /// dropped.
    ///
    /// ```
    /// use time::Duration;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// # let noon = time::OffsetDateTime::from_unix_timestamp(1_700_049_600)?;
    /// let cookie = sessions.cookie_for_at(Login { user: 7 }, noon)?;
    /// let opens_at = |now| sessions.load_at(RequestFields::from_cookies([cookie.clone()]), now).get().is_some();
    /// assert!(opens_at(noon + Duration::minutes(29)));
    /// assert!(!opens_at(noon + Duration::minutes(30))); // the idle timeout
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn load_at(&self, fields: RequestFields, now: OffsetDateTime) -> Session<T> {
        Session::new(self.lane(), fields, Some(to_seconds(now)))
    }

    /// Replaces the key ring while requests run: every later opening and sealing uses the new one.
    ///
    /// All sessions under a key that the new ring lacks end, even if the key is in use: this is how a stolen secret is
    /// dropped. A rotation keeps the old key in the ring until its sessions have expired. The observer gets an event
    /// for the new ring ([`Event::KeysInUse`]) and one for every key that it lacks ([`Event::KeyDropped`]).
    ///
    /// ```
    /// use sealed_session::{Reason, SessionState};
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let cookie = sessions.cookie_for(Login { user: 7 })?;
    /// sessions.replace_keys(KeyRing::new(Key::generate()?)); // the old secret was stolen
    /// let session = sessions.load(RequestFields::from_cookies([cookie]));
    /// assert_eq!(session.state(), SessionState::Rejected(Reason::UnknownKey));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace_keys(&self, keys: impl Into<Arc<KeyRing>>) {
        let ring = keys.into();
        let old = self.shared.keys.rcu(|keys| keys.with_ring(&self.shared.config, &ring));
        let now = self.now();
        self.observe_ring(&ring, now);
        for (key_id, in_use) in old.dropped_by(&ring, now) {
            self.observe(&Event::KeyDropped { key_id, in_use });
        }
    }

    fn observe_ring(&self, ring: &KeyRing, now: u64) {
        let seals = ring.sealing(now).key.id();
        let ids = ring.all().map(|KeyAt { key, .. }| key.id());
        let opens = ids.filter(|&id| id != seals).collect();
        self.observe(&Event::KeysInUse { seals, opens });
        // Without an observer, the ring keeps it for other sessions that have one.
        if self.has_observer()
            && let Some((path, key_id)) = ring.take_made()
        {
            let path = path.to_owned();
            self.observe(&Event::KeyFileCreated { path, key_id });
        }
    }

    /// Refuses all sessions that started before `instant`: the cut-off, which ends every session at once.
    ///
    /// The cut-off can only be raised. Beware of an `instant` in the future: until then, new sessions are refused too.
    /// The cut-off holds in this process, and wherever the revocation list carries it:
    /// [`Revocations`](crate::revocation::Revocations) to other servers, a
    /// [`RevocationFile`](crate::revocation::RevocationFile) past a restart.
    ///
    /// Tokens keep their start in whole seconds, rounded down. So an `instant` with a fraction is rounded up: sessions
    /// that start within the same second are refused too. An `instant` in whole seconds spares the sessions that
    /// started within that second: if its fraction was cut off, as logs and `date` do, add a second.
    ///
    /// ```
    /// use time::Duration;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// # let noon = time::OffsetDateTime::from_unix_timestamp(1_700_049_600)?;
    /// let old = sessions.cookie_for_at(Login { user: 7 }, noon - Duration::SECOND)?;
    /// let new = sessions.cookie_for_at(Login { user: 8 }, noon)?;
    /// sessions.raise_cut_off(noon);
    /// assert!(sessions.load_at(RequestFields::from_cookies([old]), noon).get().is_none());
    /// assert!(sessions.load_at(RequestFields::from_cookies([new]), noon).get().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("revoke_all", "reject_started_before"))]
    pub fn raise_cut_off(&self, instant: OffsetDateTime) {
        let to = to_seconds_rounded_up(instant);
        self.shared.revocations.raise_cut_off(instant);
        let is_raised = self.shared.cut_off.fetch_max(to, Ordering::AcqRel) < to;
        self.keys().opened.forget_all();
        if is_raised {
            self.observe(&Event::CutOffRaised { to });
        }
    }

    /// Refuses sessions of this id from now on, all copies of their cookie included, wherever the revocation list is
    /// known (see [`revoke_on_end`](Builder::revoke_on_end)).
    ///
    /// The list keeps the entry for the longest absolute timeout and 10 minutes, since only the id of the session is
    /// known: it may have started on a server whose clock is 5 minutes ahead, and a server whose clock is 5 minutes
    /// slow must still refuse it.
    ///
    /// A request that is being served with that session no longer sends one: neither its changes, nor a new id, nor a
    /// session that it starts. So use [`end`](Session::end) or [`start`](Session::start) for the session of the same
    /// request, and revoke the old id of a [`cycle_id`](Session::cycle_id) when [`Event::Cycled`] tells it.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let cookie = sessions.cookie_for(Login { user: 7 })?;
    /// let lost_phone = sessions.load(RequestFields::from_cookies([cookie.clone()]));
    /// sessions.revoke(lost_phone.id().ok_or("no session")?);
    /// assert!(sessions.load(RequestFields::from_cookies([cookie])).get().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("invalidate", "denylist"))]
    pub fn revoke(&self, id: SessionId) {
        let now = self.now();
        self.revoke_until(id, self.end_of_any(now), now);
        self.keys().opened.forget(id);
        self.observe(&Event::Revoked { id });
    }

    /// Forgets the sessions that came with a request. Revokes those that now end, if sign-outs revoke.
    fn end(&self, genuine: &Few<Genuine>, ends: impl Fn(&Genuine) -> bool, now: u64) {
        let revokes = |came: &&Genuine| self.shared.config.revoke_on_end && ends(came);
        let ended = || genuine.iter().filter(revokes);
        ended().for_each(|came| self.revoke_until(came.id, came.until, now));
        // Once all of them are revoked: an observer may panic, and dropped data may do anything.
        genuine.iter().for_each(|came| self.keys().opened.forget(came.id));
        ended().for_each(|came| self.observe(&Event::Revoked { id: came.id }));
    }

    fn revoke_until(&self, id: SessionId, until: u64, now: u64) {
        // No token that a server accepts now lasts longer.
        let until = from_seconds(until.min(now.saturating_add(LONGEST_LIFE + LEEWAY)));
        self.shared
            .revocations
            .revoke_at(Revocation { id, until }, from_seconds(now));
    }

    /// From when on no server accepts a token of this session: neither the one that came, which `expires`, nor one that
    /// is sealed anew. The frame tells, if this version can read it.
    fn end_of(&self, expires: u32, frame: Option<&Frame>, now: u64) -> u64 {
        let Config {
            lifetimes, adoption, ..
        } = self.config();
        match frame {
            Some(frame) => {
                let absolute = lifetimes.expires(frame.started.into(), frame.remembered);
                let of_token = absolute.max(expires.into()).saturating_add(LEEWAY);
                // The token does not say whether its session was adopted, and whether there are copies of the old cookie.
                of_token.max(adoption.as_ref().map_or(0, Adoption::ends))
            }
            None => self.end_of_any(now).max(u64::from(expires) + LEEWAY),
        }
    }

    /// The same for every possible session: it started at the latest now, by the clock that is furthest ahead, or is
    /// still adopted.
    fn end_of_any(&self, now: u64) -> u64 {
        let Config {
            lifetimes, adoption, ..
        } = self.config();
        let of_token = now.saturating_add(LEEWAY + lifetimes.longest() + LEEWAY);
        of_token.max(adoption.as_ref().map_or(0, Adoption::ends))
    }

    /// The value of a `Cookie` header field with a session that starts now, for an application's own tests.
    ///
    /// Now is the time of these sessions' [clock](Builder::clock). The session is an ordinary one, not a remembered
    /// one, and is bound to nothing. The observer gets its events, as for any other.
    ///
    /// # Errors
    /// As [`Session::start`].
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let cookie = sessions.cookie_for(Login { user: 7 })?;
    /// assert!(cookie.starts_with("__Host-id=") && cookie.contains("; __Host-id-seen="));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cookie_for(&self, data: T) -> Result<String, WriteError> {
        self.cookie_for_at(data, from_seconds(self.now()))
    }

    /// The value of a `Cookie` header field with a session that started at `now`, otherwise as
    /// [`cookie_for`](Self::cookie_for).
    ///
    /// # Errors
    /// As [`Session::start`].
    ///
    /// ```
    /// use time::Duration;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// # let noon = time::OffsetDateTime::from_unix_timestamp(1_700_049_600)?;
    /// let cookie = sessions.cookie_for_at(Login { user: 7 }, noon)?;
    /// let session = sessions.load_at(RequestFields::from_cookies([cookie]), noon + Duration::MINUTE);
    /// assert_eq!(session.started(), Some(noon));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cookie_for_at(&self, data: T, now: OffsetDateTime) -> Result<String, WriteError> {
        let mut session = self.load_at(RequestFields::default(), now);
        session.start(data)?;
        let patch = session.finish_by(200, true);
        let pairs: Vec<&str> = patch.set_cookies().filter_map(|line| line.split(';').next()).collect();
        Ok(pairs.join("; "))
    }

    /// The name of the session cookie, as [`Builder::cookie_name`] or the default set it.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// assert_eq!(sessions.cookie_name(), "__Host-id");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cookie_name(&self) -> &str {
        &self.shared.config.name
    }

    pub(crate) fn keys(&self) -> Guard<Arc<Keys<T>>> {
        self.shared.keys.load()
    }

    /// The time by the sessions' clock.
    pub(crate) fn now(&self) -> u64 {
        (self.shared.clock)()
    }

    /// Fills `bytes` from the random source.
    #[cfg(feature = "device")]
    pub(crate) fn random(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        (self.shared.random)(bytes)
    }

    /// Counts the result of a look at the cookies of a request, and returns the warnings that are due.
    fn looked(&self, refused: Option<(Reason, Option<KeyId>)>, now: u64) -> Vec<Event> {
        // Every link from another site brings an unproven session.
        let refused = refused.filter(|&(reason, _)| reason != Reason::Unproven);
        self.shared.alarm.looked(refused, now)
    }

    /// Step 7 of opening, without the flags.
    fn judge(&self, frame: &Frame, id: SessionId, now: u64) -> Result<(), Reason> {
        let started = frame.started.into();
        self.shared.config.lifetimes.judge(started, frame.remembered, now)?;
        if self.is_revoked(id, started) {
            return Err(Reason::Revoked);
        }
        Ok(())
    }

    /// Whether a session of this id, which started at this Unix second, is revoked or started before the cut-off.
    fn is_revoked(&self, id: SessionId, started: u64) -> bool {
        let cut_off = self.shared.cut_off.load(Ordering::Acquire);
        let of_list = self.shared.revocations.cut_off().map_or(0, to_seconds_rounded_up);
        started < cut_off.max(of_list) || self.shared.revocations.is_revoked(id)
    }

    /// Whether the application's own check refuses a session.
    fn refuses(&self, data: &T, id: SessionId, started: u64) -> bool {
        self.shared.checks.refuse_if.as_ref().is_some_and(|refuse_if| {
            refuse_if(&Opened {
                data,
                id,
                started: from_seconds(started),
            })
        })
    }

    /// Whether a session with these data counts as signed in.
    pub(crate) fn counts_as_signed_in(&self, data: &T) -> bool {
        let signed_in_if = self.shared.checks.signed_in_if.as_ref();
        signed_in_if.is_none_or(|signed_in_if| signed_in_if(data))
    }

    /// Whether a session with this payload, which is not served, is certainly a guest's.
    fn is_guest(&self, payload: &[u8]) -> bool {
        self.shared.checks.signed_in_if.is_some()
            && from_payload(payload).is_some_and(|data| !self.counts_as_signed_in(&data))
    }

    #[cfg(test)]
    fn with_random(mut self, random: fn(&mut [u8]) -> Result<(), NoRandomness>) -> Self {
        self.lanes = None;
        Arc::get_mut(&mut self.shared).expect("not shared yet").random = random;
        self
    }
}

impl<T> Sessions<T> {
    fn new(shared: Shared<T>) -> Self {
        let shared = Arc::new(shared);
        let lane = |_| {
            let shared = Arc::clone(&shared);
            Arc::new(Lane(Self { shared, lanes: None }))
        };
        let lanes = Some((0..LANES).map(lane).collect());
        Self { shared, lanes }
    }

    /// The handle for a request of this thread.
    fn lane(&self) -> Arc<Lane<T>> {
        match &self.lanes {
            Some(lanes) => Arc::clone(&lanes[this_thread() % LANES]),
            None => Arc::new(Lane(self.clone())),
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    fn has_observer(&self) -> bool {
        self.shared.watch.is_some()
    }

    pub(crate) fn observe(&self, event: &Event) {
        if let Some(watch) = &self.shared.watch {
            watch.observer.event(event);
        }
    }
}

impl<T> Clone for Sessions<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            lanes: self.lanes.clone(),
        }
    }
}

/// A number that no other thread has, from 1 on.
fn this_thread() -> usize {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static HERE: usize = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    }
    // An error means that the thread is ending.
    HERE.try_with(|&here| here).unwrap_or(usize::MAX)
}

impl<T> fmt::Debug for Sessions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("cookie", &self.shared.config.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod vectors;
