//! How sessions are configured. `build` refuses options that cannot work, with a sentence that says what to change.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;
use time::OffsetDateTime;

use crate::aead;
use crate::error::{ConfigError, refuse};
use crate::headers::cookie::{self, SameSite};
use crate::headers::{RequestFields, Watch};
use crate::keys::ring::KeyRing;
use crate::revocation::{RevocationList, Revocations};
use crate::session::event::{Event, Observer};
use crate::session::lifetime::{Lifetime, Lifetimes};
use crate::session::{Opened, SessionData};
use crate::sessions::adopt::{Adopted, OldCookie};
use crate::sessions::alarm::Alarm;
use crate::sessions::config::{Checks, Clock, Config, LONGEST_NAME};
#[cfg(feature = "device")]
use crate::sessions::device_binding::DeviceBinding;
use crate::sessions::{Keys, Sessions, Shared, opened};
use crate::time::{DAY, HAS_CLOCK, now, to_seconds};
use crate::token::envelope::OVERHEAD;

/// Configures [`Sessions`]; every option has a default that is safe.
///
/// ```
/// use std::time::Duration;
/// use sealed_session::{Key, KeyRing, Lifetime, Sessions};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Login { user: u64 }
///
/// let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?))
///     .audience("shop-production")
///     .lifetime(Lifetime::default().idle(Duration::from_secs(20 * 60)))
///     .remembered(Lifetime::absolute(Duration::from_secs(90 * 86_400)).idle(Duration::from_secs(14 * 86_400)))
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct Builder<T> {
    keys: Arc<KeyRing>,
    config: Config,
    lifetime: Lifetime,
    remembered: Option<Lifetime>,
    development: bool,
    #[cfg(feature = "device")]
    device: Option<DeviceBinding>,
    revocations: Box<dyn RevocationList>,
    old: Option<(OldCookie, u64)>,
    checks: Checks<T>,
    observer: Option<Arc<dyn Observer>>,
    clock: Option<Clock>,
}

impl<T: SessionData> Builder<T> {
    pub(crate) fn new(keys: Arc<KeyRing>) -> Self {
        Self {
            keys,
            config: Config::default(),
            lifetime: Lifetime::default(),
            remembered: None,
            development: false,
            #[cfg(feature = "device")]
            device: None,
            revocations: Box::new(Revocations::new()),
            old: None,
            checks: Checks::default(),
            observer: None,
            clock: None,
        }
    }

    /// Name of the application, with its environment or tenant: a session that is sealed for one audience opens for no
    /// other. At most 255 bytes. Default: empty.
    ///
    /// ```
    /// use std::sync::Arc;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// let ring = Arc::new(KeyRing::new(Key::generate()?));
    /// let shop = Sessions::<Login>::builder(Arc::clone(&ring)).audience("shop").build()?;
    /// let shop_test = Sessions::<Login>::builder(ring).audience("shop-test").build()?;
    ///
    /// let cookie = shop_test.cookie_for(Login { user: 7 })?;
    /// assert!(shop_test.load(RequestFields::from_cookies([cookie.clone()])).get().is_some());
    /// assert!(shop.load(RequestFields::from_cookies([cookie])).get().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.config.audience = audience.into();
        self
    }

    /// How long a session lasts, unless it is [`remembered`](Self::remembered). Default: [`Lifetime::default`], 12
    /// hours, or 30 minutes without activity.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sealed_session::Lifetime;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// const HOUR: Duration = Duration::from_secs(3600);
    /// let sessions = Sessions::<Login>::builder(ring).lifetime(Lifetime::absolute(HOUR)).build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start(Login { user: 7 })?;
    /// assert_eq!(session.expires(), session.started().map(|started| started + HOUR));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("idle_timeout", "absolute_timeout", "max_age", "ttl"))]
    pub fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Lets sessions be remembered ([`Session::remember`](crate::Session::remember)): with a lifetime of their own, and
    /// cookies that the browser keeps when it is closed. Usual: 90 days, or 14 without activity. Default: off.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sealed_session::Lifetime;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// const DAY: Duration = Duration::from_secs(86_400);
    /// let sessions = Sessions::<Login>::builder(ring).remembered(Lifetime::absolute(90 * DAY)).build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start(Login { user: 7 })?;
    /// session.remember(true)?; // the box on the sign-in page
    /// assert_eq!(session.expires(), session.started().map(|started| started + 90 * DAY));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remembered(mut self, lifetime: Lifetime) -> Self {
        self.remembered = Some(lifetime);
        self
    }

    /// Name of the session cookie; the activity cookie has the same name with `-seen` after it, and those of a session in
    /// [chunks](Self::chunks) have `.2` to `.4`. Two applications on one host need two names. At most 250 bytes (255
    /// without an idle timeout, 253 with chunks). Default: `__Host-id`, whose prefix makes browsers refuse it from any other host.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).cookie_name("__Host-shop").build()?;
    /// let cookie = sessions.cookie_for(Login { user: 7 })?;
    /// assert!(cookie.starts_with("__Host-shop=") && cookie.contains("; __Host-shop-seen="));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into().into();
        self
    }

    /// `Path` of the cookies. A `__Host-` name, such as the default one, requires `/`. Default: `/`.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).cookie_name("__Secure-id").cookie_path("/shop").build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start(Login { user: 7 })?;
    /// assert!(session.finish_patch(200).set_cookies().all(|line| line.contains("; Path=/shop;")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cookie_path(mut self, path: impl Into<String>) -> Self {
        self.config.attributes.path = path.into();
        self
    }

    /// `Domain` of the cookies: **all** its subdomains then receive the session and can overwrite it. A `__Host-` name,
    /// such as the default one, forbids it. Browsers drop cookies whose domain is a public suffix, such as `com`; that
    /// is not checked here. Default: none, the host alone.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).cookie_name("__Secure-id").cookie_domain("shop.example").build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start(Login { user: 7 })?;
    /// assert!(session.finish_patch(200).set_cookies().all(|line| line.contains("; Domain=shop.example;")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cookie_domain(mut self, domain: impl Into<String>) -> Self {
        self.config.attributes.domain = Some(domain.into());
        self
    }

    /// `SameSite` of the cookies. Default: [`SameSite::Lax`].
    ///
    /// ```
    /// use sealed_session::SameSite;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).same_site(SameSite::Strict).build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start(Login { user: 7 })?;
    /// assert!(session.finish_patch(200).set_cookies().all(|line| line.contains("; SameSite=Strict")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.config.attributes.same_site = same_site;
        self
    }

    /// `Partitioned` cookies (CHIPS): the browser keeps a jar for every site that embeds this one in a frame. In frames
    /// of other sites browsers send only cookies with [`SameSite::None`]. Default: off.
    ///
    /// ```
    /// use sealed_session::SameSite;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).partitioned(true).same_site(SameSite::None).build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start(Login { user: 7 })?;
    /// assert!(session.finish_patch(200).set_cookies().all(|line| line.ends_with("; Partitioned")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.config.attributes.partitioned = partitioned;
        self
    }

    /// Cookies of this name without `Secure`, for development over plain http on your own machine only.
    ///
    /// Anyone on the network path can read and set them. The name must not begin with `__`, since browsers refuse
    /// prefixes without `Secure`. Every build of such sessions is an [`Event::DevelopmentCookie`]. Default: off.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let builder = Sessions::<Login>::builder(ring);
    /// let sessions = builder.insecure_development_cookie("shop-dev").build()?; // never in a release
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start(Login { user: 7 })?;
    /// assert!(!session.finish_patch(200).set_cookies().any(|line| line.contains("Secure")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insecure_development_cookie(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into().into();
        self.config.attributes.secure = false;
        self.development = true;
        self
    }

    /// Pads the session data with spaces to a multiple of this many bytes, so that the length of the cookie does not
    /// tell, for example, a role. It fills the cookie at most, or the [chunks](Self::chunks) that the data need anyway:
    /// it makes no session too large. At most what fits into a cookie. Default: 1, no padding.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, Sessions};
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<String>::builder(ring).pad_to(64).build()?;
    /// let of_user = sessions.cookie_for("user".to_owned())?;
    /// let of_admin = sessions.cookie_for("administrator".to_owned())?;
    /// assert_eq!(of_user.len(), of_admin.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pad_to(mut self, bytes: usize) -> Self {
        self.config.pad_to = bytes;
        self
    }

    /// How many cookies a session may take, 1 to 4, if one cookie (2,995 bytes of JSON by default) does not hold it. A
    /// session that fits one cookie is sent as ever. Default: 1; a larger session is [`WriteError::TooLarge`].
    ///
    /// The others are called like the session cookie, with `.2`, `.3` and `.4` after it. This option governs writing
    /// alone, and every server reads up to four, so that it can be switched on and off at any time: a session that came
    /// in more cookies, or larger, may stay so.
    ///
    /// [`largest_cookies`](Self::largest_cookies) limits them all together: its default is full with two cookies.
    ///
    /// **Proxies and servers limit header fields**: docs/large-sessions.md has what passes where. Stock nginx answers
    /// 502 to the sign-in until `proxy_buffer_size` is raised. Each request carries all cookies: keep out what no
    /// request needs.
    ///
    /// [`WriteError::TooLarge`]: crate::WriteError::TooLarge
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<String>::builder(ring).chunks(2).build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start("token".repeat(1000))?;
    /// let patch = session.finish_patch(200);
    /// let names = patch.set_cookies().filter_map(|line| Some(line.split_once('=')?.0));
    /// assert!(names.eq(["__Host-id.2", "__Host-id", "__Host-id-seen"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("split", "chunk", "too_large", "4096"))]
    pub fn chunks(mut self, most: u8) -> Self {
        self.config.chunks = most;
        self
    }

    /// The most bytes that all cookies of a session may take in one `Cookie` header field, with their names, if it is
    /// in [chunks](Self::chunks). Default: 7,500, so that an application's own cookies fit too before stock nginx and
    /// Apache refuse the field, at 8 KiB. Raise their limits first.
    ///
    /// A visitor whose cookies are above a proxy's limit gets an error for **every** request, the sign-out included.
    ///
    /// ```
    /// use sealed_session::WriteError;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<String>::builder(ring).chunks(3).largest_cookies(12_000).build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start("token".repeat(1600))?;
    /// let refused = session.start("token".repeat(1800));
    /// assert!(matches!(refused, Err(WriteError::TooLarge { limit: 12_000, option: "largest_cookies", .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn largest_cookies(mut self, bytes: usize) -> Self {
        self.config.largest_cookies = bytes;
        self
    }

    /// The header field that responses name in `Vary` when they depend on the session. Default: `Cookie`. If an edge
    /// worker in front of the server tells sessions from guests, name the field that the worker sets.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).vary_field("X-Visitor").build()?;
    /// let guest = sessions.load(RequestFields::default());
    /// assert!(guest.get().is_none());
    /// let mut headers = Vec::new();
    /// guest.finish(200, &mut headers);
    /// assert_eq!(headers, [("Vary".to_owned(), "X-Visitor".to_owned())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn vary_field(mut self, field: impl Into<String>) -> Self {
        self.config.vary_field = field.into().into();
        self
    }

    /// Whether writes are sent with a 5xx response too. Default: no. A sign-out ([`end`](crate::Session::end)) is
    /// sent with every response. Switch it on if a write must not be lost with the page, such as a new refresh token in
    /// place of one that is spent.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).write_on_server_error(true).build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start(Login { user: 7 })?;
    /// assert!(session.finish_patch(500).set_cookies().any(|line| line.starts_with("__Host-id=")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_on_server_error(mut self, write: bool) -> Self {
        self.config.write_on_server_error = write;
        self
    }

    /// Whether a session that ends is revoked: then no copy of its cookies opens any more, and no request that was
    /// being served brings it back. Default: yes.
    ///
    /// [`end`](crate::Session::end) ends a session, and so does a [`start`](crate::Session::start) of another one in
    /// its place. [`remember`](crate::Session::remember) ends the old id, and so does an
    /// [`update`](crate::Session::update) that [signs in or out](Self::signed_in_if). A guest's session is revoked only
    /// if a sign-in takes its place. [`cycle_id`](crate::Session::cycle_id) revokes no session.
    ///
    /// A revocation holds wherever the revocation list is known: with the default list on this server until it
    /// restarts, with a file after a restart too, with a shared list on all servers.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).revoke_on_end(false).build()?;
    /// let cookie = sessions.cookie_for(Login { user: 7 })?;
    /// let copy = RequestFields::from_cookies([cookie.clone()]);
    /// sessions.load(RequestFields::from_cookies([cookie])).end()?;
    /// assert!(sessions.load(copy).get().is_some()); // in spite of the sign-out
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn revoke_on_end(mut self, revoke: bool) -> Self {
        self.config.revoke_on_end = revoke;
        self
    }

    /// Whether a response that ends the session also asks the browser to drop the site's cache and storage
    /// (`Clear-Site-Data: "cache", "storage"`). Other cookies of the site stay. Default: no.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).clear_site_data(true).build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.end()?;
    /// let mut headers: Vec<(String, String)> = Vec::new();
    /// session.finish(200, &mut headers);
    /// assert!(headers.contains(&("Clear-Site-Data".to_owned(), "\"cache\", \"storage\"".to_owned())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_site_data(mut self, clear: bool) -> Self {
        self.config.clear_site_data = clear;
        self
    }

    /// Narrows which requests count as activity, for example to leave out polling. Default: all but prefetches.
    ///
    /// Requests that do not read the session, and prefetches, never count. A [`touch`](crate::Session::touch) always
    /// counts. The closure is called in [`finish`](crate::Session::finish), if a new activity cookie is due.
    ///
    /// ```
    /// use time::Duration;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// # let noon = time::OffsetDateTime::from_unix_timestamp(1_700_049_600)?;
    /// let counts = |request: &RequestFields| request.sec_fetch_dest() == Some("document"); // not `fetch`
    /// let sessions = Sessions::<Login>::builder(ring).touch_if(counts).build()?;
    /// let cookie = sessions.cookie_for_at(Login { user: 7 }, noon)?;
    /// for (destination, sent) in [("empty", 0), ("document", 1)] {
    ///     let fields = RequestFields::from_cookies([cookie.clone()]).with_sec_fetch_dest(destination);
    ///     let session = sessions.load_at(fields, noon + Duration::minutes(10));
    ///     assert!(session.get().is_some());
    ///     assert_eq!(session.finish_patch(200).set_cookies().count(), sent);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("renew", "refresh", "keep_alive"))]
    pub fn touch_if(mut self, counts: impl Fn(&RequestFields) -> bool + Send + Sync + 'static) -> Self {
        self.config.touch_if = Some(Box::new(counts));
        self
    }

    /// The revocation list. Default: [`Revocations`] of its own, in this process's memory.
    ///
    /// Keep a clone of the [`Revocations`] given here to send them to other servers. A
    /// [`RevocationFile`](crate::revocation::RevocationFile) keeps them for the next start.
    ///
    /// ```
    /// use sealed_session::revocation::Revocations;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let list = Revocations::new();
    /// let sessions = Sessions::<Login>::builder(ring).revocation_list(list.clone()).build()?;
    /// let cookie = sessions.cookie_for(Login { user: 7 })?;
    /// sessions.load(RequestFields::from_cookies([cookie])).end()?;
    /// assert_eq!(list.len(), 1); // to be sent to the other servers
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn revocation_list(mut self, list: impl RevocationList + 'static) -> Self {
        self.revocations = Box::new(list);
        self
    }

    /// The application's own check of an opened session: `true` refuses it, as
    /// [`Reason::Refused`](crate::Reason::Refused). Default: none.
    ///
    /// Use it to end all sessions of one user: keep a time (`valid_from`) or a generation number in the user's record,
    /// raise it at a change of password or at "sign out everywhere", and refuse older sessions. Compare times in whole
    /// seconds, since sessions have no fractions. Rounded up where it is kept, the time also ends sessions of the same
    /// second; rounded down, it spares them.
    ///
    /// It is called when a session is opened, and again in [`finish`](crate::Session::finish) with the data that would
    /// be written, unless the request started a new session. So a request that raises the generation in the record
    /// keeps its own session if it read it before and writes the new number into it; or it starts a new one.
    ///
    /// The check cannot wait: answer from memory. If the record must be fetched, compare it in the handler that fetches
    /// it anyway.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Login { user: u64, generation: u32 }
    ///
    /// static OF_USER_7: AtomicU32 = AtomicU32::new(1); // in a real application a map by user
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring)
    ///     .refuse_if(|opened| opened.data.generation < OF_USER_7.load(Ordering::Acquire))
    ///     .build()?;
    /// let cookie = sessions.cookie_for(Login { user: 7, generation: 1 })?;
    /// assert!(sessions.load(RequestFields::from_cookies([cookie.clone()])).get().is_some());
    /// OF_USER_7.store(2, Ordering::Release); // sign out everywhere
    /// assert!(sessions.load(RequestFields::from_cookies([cookie])).get().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("reject_if", "validate"))]
    pub fn refuse_if(mut self, refuses: impl Fn(&Opened<'_, T>) -> bool + Send + Sync + 'static) -> Self {
        self.checks.refuse_if = Some(Box::new(refuses));
        self
    }

    /// The session data that count as signed in. Default: every session.
    ///
    /// Set it as soon as guests have sessions. It decides which visitors `RequireSession` lets in, and what
    /// [`is_signed_in`](crate::Session::is_signed_in) says. An [`update`](crate::Session::update) that changes the
    /// answer gives the session a new id. A guest's session is not revoked unless a sign-in takes its place, so that
    /// strangers cannot fill the list.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Visitor { user: Option<u64> }
    ///
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Visitor>::builder(ring).signed_in_if(|visitor| visitor.user.is_some()).build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start(Visitor { user: None })?;
    /// assert!(session.get().is_some() && !session.is_signed_in());
    /// session.start(Visitor { user: Some(7) })?;
    /// assert!(session.is_signed_in());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn signed_in_if(mut self, is_signed_in: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        self.checks.signed_in_if = Some(Box::new(is_signed_in));
        self
    }

    /// Adopts the sessions of another library, so that the switch to this crate signs nobody out: if no cookie of ours
    /// came, the first access makes a session of what `read` makes of the old cookie's value, which browser and server
    /// did not decode. A later call replaces this one. Default: nothing is adopted.
    ///
    /// The response then has our cookies, and removes the old one. A sign-out revokes the id, which is a hash of the old
    /// value, so that no copy of the cookie is adopted again. Servers of the old application that run at the same time
    /// need a release before: [`OldCookie::beside_old_servers`]. `docs/migrating` has a page for each of the usual
    /// libraries.
    ///
    /// `until` is the end, a date at most 400 days from now: old cookies rarely expire, and until then a copy of one that nobody
    /// signed out here is a session. All revocations are kept that long. Set it to when the last old cookie should be
    /// replaced, and remove this call afterwards; [`Event::Adopted`] counts those that still come.
    ///
    /// What cannot be read or is over by our timeouts, revocations or [`refuse_if`](Self::refuse_if) is an
    /// [`Event::NotAdopted`]: the visitor is a guest. `read` gets at most 8 values of a request, of at most 4,096 bytes,
    /// from whoever sent them. So it has to verify them, and must not panic.
    ///
    /// ```
    /// use sealed_session::adopt::Adopted;
    /// use time::{Duration, OffsetDateTime};
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # fn verified(value: &str) -> Option<u64> { value.strip_prefix("good-")?.parse().ok() }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// # let until = OffsetDateTime::now_utc() + Duration::days(30);
    /// let read = |value: &str| Some(Adopted::new(value, Login { user: verified(value)? }));
    /// let sessions = Sessions::<Login>::builder(ring).adopt("session", until, read).build()?;
    ///
    /// let session = sessions.load(RequestFields::from_cookies(["session=good-7"]));
    /// assert_eq!(session.get().map(|login| login.user), Some(7));
    /// let patch = session.finish_patch(200);
    /// let names: Vec<_> = patch.set_cookies().filter_map(|line| line.split('=').next()).collect();
    /// assert_eq!(names, ["__Host-id", "__Host-id-seen", "session"]); // ours are set, the old one is removed
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("migrate", "fallback"))]
    pub fn adopt(
        mut self,
        old: impl Into<OldCookie>,
        until: OffsetDateTime,
        read: impl Fn(&str) -> Option<Adopted<T>> + Send + Sync + 'static,
    ) -> Self {
        self.old = Some((old.into(), to_seconds(until)));
        self.checks.read_old = Some(Box::new(read));
        self
    }

    /// The observer, which receives an [`Event`] whenever something happens to a session or to the keys. There is one:
    /// a later observer replaces it. Default: no observer.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use sealed_session::Event;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let (log, logged) = mpsc::channel();
    /// let observer = move |event: &Event| _ = log.send(event.name());
    /// let sessions = Sessions::<Login>::builder(ring).observer(observer).build()?;
    /// let session = sessions.load(RequestFields::from_cookies(["__Host-id=made-up"]));
    /// assert!(session.get().is_none());
    /// assert_eq!(logged.try_iter().collect::<Vec<_>>(), ["KeysInUse", "Rejected"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// The clock, in whole seconds. Tests of an application move time with it: `testing::Browser` has one. Default: the
    /// system's clock. `wasm32-unknown-unknown` has none: there, switch on the feature `wasm_js`, or give one.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use std::time::{Duration, SystemTime};
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// static NOW: AtomicU64 = AtomicU64::new(1_700_000_000);
    /// let now = || (SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.load(Ordering::Relaxed))).into();
    /// let sessions = Sessions::<Login>::builder(ring).clock(now).build()?;
    /// let cookie = sessions.cookie_for(Login { user: 7 })?;
    /// NOW.fetch_add(30 * 60, Ordering::Relaxed);
    /// assert!(sessions.load(RequestFields::from_cookies([cookie])).get().is_none()); // idle for too long
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clock(mut self, clock: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        self.clock = Some(Box::new(move || to_seconds(clock())));
        self
    }

    /// Memory for opened sessions, in bytes. A visitor who comes back with the same cookie within a minute is served
    /// from it, in a fraction of the time. 0 keeps none. Default: 2 MiB, which hold about 1,100 sessions of 250 bytes.
    ///
    /// Only genuine tokens enter, found by their exact text. Lifetimes, revocations, the cut-off, the application's
    /// check and the activity cookie are judged anew on each request. An entry goes when no request has used it for a
    /// minute, when its session ends, starts anew or is revoked here, and with the key ring. SECURITY.md says what
    /// stays in memory for how long; docs/operating.md has hit rates.
    ///
    /// Requests with the same token share the same data, which are dropped later and while another request is served.
    /// A type sees the difference if it has interior mutability, looks at a clock or at global state when it is
    /// deserialised, or does more than free memory when it is dropped: switch the cache off for it.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).opened_cache(32 * 1024 * 1024).build()?;
    /// # let ring = KeyRing::new(Key::generate()?);
    /// assert!(Sessions::<Login>::builder(ring).opened_cache(32).build().is_err()); // bytes, not MiB
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn opened_cache(mut self, bytes: usize) -> Self {
        self.config.opened_cache = bytes;
        self
    }

    /// Binds sessions to the visitor's device (feature `device`, **experimental**): a copy of the cookies dies within
    /// minutes. Default: none are bound.
    ///
    /// Browsers that can do it (Chromium's, over https) make a key that never leaves the device, and prove it every few
    /// minutes. Each [`start`](crate::Session::start) of a session that counts as
    /// [signed in](Self::signed_in_if) offers it; other browsers ignore the offer, and their sessions stay as they are.
    /// The two endpoints of [`DeviceBinding::at`] must be among the application's routes: `DeviceEndpoints` in axum,
    /// `device_endpoints` in actix, [`Sessions::register_device`] and [`Sessions::refresh_device`] elsewhere.
    ///
    /// Set an idle timeout for every kind of session, since the binding is kept with it.
    ///
    /// ```
    /// use sealed_session::device::DeviceBinding;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).device_binding(DeviceBinding::at("/device")).build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start(Login { user: 7 })?;
    /// let mut headers = Vec::new();
    /// session.finish(200, &mut headers);
    /// let offer = headers.iter().find(|(name, _)| name == "Secure-Session-Registration").ok_or("no offer")?;
    /// assert!(offer.1.starts_with("(ES256);path=\"/device/register\";challenge="));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "device")]
    #[cfg_attr(docsrs, doc(cfg(feature = "device")))]
    #[doc(alias("dbsc"))]
    pub fn device_binding(mut self, binding: DeviceBinding) -> Self {
        self.device = Some(binding);
        self
    }

    /// Checks the configuration, and makes the sessions.
    ///
    /// # Errors
    /// [`ConfigError`] names the option and says what to change: cookie attributes that a browser would refuse, names
    /// that are too long, timeouts of zero, with fractions of seconds, beyond 400 days or in contradiction.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let refused = Sessions::<Login>::builder(ring).cookie_domain("shop.example").build();
    /// let error = refused.expect_err("`__Host-id` takes no domain").to_string();
    /// assert!(error.contains("remove the domain or change the prefix"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(self) -> Result<Sessions<T>, ConfigError> {
        let mut config = self.config;
        config.attributes.check(&config.name)?;
        if self.development && config.name.starts_with("__") {
            return refuse("the development cookie needs a name of its own without a prefix, such as `shop-dev`");
        }
        config.lifetimes = Lifetimes {
            ordinary: self.lifetime.checked("lifetime", 30 * 60)?,
            remembered: match self.remembered {
                Some(lifetime) => Some(lifetime.checked("remembered", 14 * DAY)?),
                None => None,
            },
        };
        config.activity_name = format!("{}-seen", config.name).into();
        if config.lifetimes.ordinary.idle.is_some() || config.lifetimes.of(true).idle.is_some() {
            if !config.has_activity() {
                return refuse("the cookie name takes at most 250 bytes with an idle timeout; shorten `cookie_name`");
            }
            // `__Host` has no prefix yet, `__Host-seen` has one.
            let name = &config.activity_name;
            config
                .attributes
                .check(name)
                .map_err(|error| ConfigError::new(format!("the activity cookie is called `{name}`: {error}")))?;
        }
        #[cfg(feature = "device")]
        if let Some(device) = self.device {
            config.device = Some(device.checked(&config)?);
        }
        if config.audience.len() > LONGEST_NAME {
            return refuse("the audience takes at most 255 bytes; shorten `audience`");
        }
        if !cookie::is_token(&config.vary_field) {
            return refuse("`vary_field` is not the name of a header field; name one, such as `Cookie`");
        }
        if (1..opened::SMALLEST).contains(&config.opened_cache) {
            let smallest = opened::SMALLEST;
            return refuse(format!(
                "`opened_cache` takes at least {smallest} bytes, or 0 to keep nothing"
            ));
        }
        config.set_chunks()?;
        let largest_payload = config.longest_value() / 4 * 3 - OVERHEAD;
        if config.pad_to == 0 || config.pad_to > largest_payload {
            return refuse(format!("`pad_to` takes 1 to {largest_payload} bytes, 1 for no padding"));
        }
        let system = || HAS_CLOCK.then(|| Box::new(now) as Clock);
        let clock = self.clock.or_else(system).ok_or_else(|| {
            ConfigError::new(
                "this target has no clock; switch on the feature `wasm_js` of sealed-session where JavaScript is the \
                 host, or give a `clock`",
            )
        })?;
        if let Some((old, until)) = self.old {
            config.adoption = Some(old.checked(until, &config, clock())?);
        }
        let shared = Shared {
            keys: ArcSwap::from_pointee(Keys::new(&config, &self.keys)?),
            config,
            checks: self.checks,
            cut_off: AtomicU64::new(0),
            revocations: self.revocations,
            watch: self.observer.map(|observer| Arc::new(Watch::new(observer))),
            alarm: Alarm::new(),
            clock,
            random: aead::os_random,
        };
        let sessions = Sessions::new(shared);
        sessions.observe_ring(&self.keys, sessions.now());
        if let Some(watch) = &sessions.shared.watch {
            sessions.shared.revocations.report_to(&watch.observer);
        }
        if self.development {
            sessions.observe(&Event::DevelopmentCookie);
        }
        Ok(sessions)
    }
}

impl<T> fmt::Debug for Builder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("cookie", &self.config.name)
            .finish_non_exhaustive()
    }
}
