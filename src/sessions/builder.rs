//! How sessions are configured. What cannot work is refused at `build`, with a sentence that says what to change.

use std::fmt;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::cookie::{self, Attributes, SameSite};
use crate::error::ConfigError;
use crate::headers::RequestFields;
use crate::keyring::KeyRing;
use crate::revocation::{RevocationList, Revocations};
use crate::session::event::{Event, Observer};
use crate::session::lifetime::{Lifetime, Lifetimes};
use crate::session::{Opened, SessionData};
use crate::sessions::Sessions;
use crate::time::{DAY, now, to_seconds};
use crate::token::base64url;
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
    name: String,
    attributes: Attributes,
    audience: String,
    lifetime: Lifetime,
    remembered: Option<Lifetime>,
    pad_to: usize,
    vary_field: String,
    write_on_server_error: bool,
    clear_site_data: bool,
    revoke_on_end: bool,
    touch_if: Option<TouchIf>,
    development: bool,
    revocations: Box<dyn RevocationList>,
    checks: Checks<T>,
    observer: Option<Arc<dyn Observer>>,
    clock: Clock,
}

pub(crate) type TouchIf = Box<dyn Fn(&RequestFields) -> bool + Send + Sync>;
type RefuseIf<T> = Box<dyn Fn(&Opened<'_, T>) -> bool + Send + Sync>;
type SignedInIf<T> = Box<dyn Fn(&T) -> bool + Send + Sync>;
pub(crate) type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// What the application says of its data.
pub(crate) struct Checks<T> {
    pub(crate) refuse_if: Option<RefuseIf<T>>,
    pub(crate) signed_in_if: Option<SignedInIf<T>>,
}

/// A checked configuration.
pub(crate) struct Config {
    pub(crate) name: Arc<str>,
    pub(crate) activity_name: Arc<str>,
    pub(crate) attributes: Attributes,
    pub(crate) audience: String,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) pad_to: usize,
    pub(crate) vary_field: Arc<str>,
    pub(crate) write_on_server_error: bool,
    pub(crate) clear_site_data: bool,
    pub(crate) revoke_on_end: bool,
    pub(crate) touch_if: Option<TouchIf>,
}

impl Config {
    /// Whether there can be an activity cookie: without any idle timeout its name may be too long for one.
    pub(crate) fn has_activity(&self) -> bool {
        self.activity_name.len() <= LONGEST_NAME
    }

    /// Longest value of the session cookie in characters: browsers drop more than 4096 for name and value.
    pub(crate) fn longest_value(&self) -> usize {
        cookie::LARGEST.saturating_sub(self.name.len())
    }
}

impl<T: SessionData> Builder<T> {
    pub(crate) fn new(keys: Arc<KeyRing>) -> Self {
        Self {
            keys,
            name: "__Host-id".to_owned(),
            attributes: Attributes::default(),
            audience: String::new(),
            lifetime: Lifetime::default(),
            remembered: None,
            pad_to: 1,
            vary_field: "Cookie".to_owned(),
            write_on_server_error: false,
            clear_site_data: false,
            revoke_on_end: true,
            touch_if: None,
            development: false,
            revocations: Box::new(Revocations::new()),
            checks: Checks {
                refuse_if: None,
                signed_in_if: None,
            },
            observer: None,
            clock: Box::new(now),
        }
    }

    /// Name of the application, with its environment or tenant: a session sealed for one audience opens for no other.
    /// At most 255 bytes. Default: empty.
    pub fn audience(self, audience: impl Into<String>) -> Self {
        Self {
            audience: audience.into(),
            ..self
        }
    }

    /// How long a session lasts. Default: [`Lifetime::default`], 12 hours and 30 minutes without activity.
    #[doc(alias("idle_timeout", "absolute_timeout", "max_age", "ttl"))]
    pub fn lifetime(self, lifetime: Lifetime) -> Self {
        Self { lifetime, ..self }
    }

    /// Lets sessions be remembered ([`Session::remember`](crate::Session::remember)), with a lifetime of their own and cookies
    /// that outlive the browser's session. Usual: 90 days, and 14 without activity. Default: off.
    pub fn remembered(self, lifetime: Lifetime) -> Self {
        let remembered = Some(lifetime);
        Self { remembered, ..self }
    }

    /// Name of the session cookie; the activity cookie's is this one with `-seen` behind it. Default: `__Host-id`,
    /// whose prefix makes browsers refuse it from any other host. Two applications on one host need two names.
    pub fn cookie_name(self, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..self
        }
    }

    /// `Path` of the cookies. A `__Host-` name requires `/`. Default: `/`.
    pub fn cookie_path(self, path: impl Into<String>) -> Self {
        Self {
            attributes: Attributes {
                path: path.into(),
                ..self.attributes
            },
            ..self
        }
    }

    /// `Domain` of the cookies: **all** its subdomains then receive the session and can overwrite it. A `__Host-` name
    /// forbids it. Browsers drop the cookies of a public suffix, such as `com`, which is not noticed here. Default: none, the
    /// host alone.
    pub fn cookie_domain(self, domain: impl Into<String>) -> Self {
        Self {
            attributes: Attributes {
                domain: Some(domain.into()),
                ..self.attributes
            },
            ..self
        }
    }

    /// `SameSite` of the cookies. Default: [`SameSite::Lax`].
    pub fn same_site(self, same_site: SameSite) -> Self {
        Self {
            attributes: Attributes {
                same_site,
                ..self.attributes
            },
            ..self
        }
    }

    /// `Partitioned` cookies (CHIPS): one jar per embedding site, for content in frames. Default: off.
    pub fn partitioned(self, partitioned: bool) -> Self {
        Self {
            attributes: Attributes {
                partitioned,
                ..self.attributes
            },
            ..self
        }
    }

    /// For development over plain http on one's own machine only: cookies of this name without `Secure`. Anybody on
    /// the network path can read and set them; every build of such sessions is an [`Event::DevelopmentCookie`].
    /// Default: off.
    pub fn insecure_development_cookie(self, name: impl Into<String>) -> Self {
        let attributes = Attributes {
            secure: false,
            ..self.attributes
        };
        Self {
            name: name.into(),
            attributes,
            development: true,
            ..self
        }
    }

    /// Pads the session data with spaces to a multiple of this many bytes, so that the cookie's length does not tell a
    /// role. Default: 1, no padding.
    pub fn pad_to(self, bytes: usize) -> Self {
        Self { pad_to: bytes, ..self }
    }

    /// The header field that responses name in `Vary` when they depend on the session. Default: `Cookie`; behind an
    /// edge worker that tells sessions from guests, the field that it sets.
    pub fn vary_field(self, field: impl Into<String>) -> Self {
        Self {
            vary_field: field.into(),
            ..self
        }
    }

    /// Whether what was written is sent with a 5xx response too. Default: no; a sign-out always is.
    pub fn write_on_server_error(self, write: bool) -> Self {
        Self {
            write_on_server_error: write,
            ..self
        }
    }

    /// Whether a session that ends is revoked, so that no copy of its cookies opens any more and no request that was running
    /// brings it back: by [`end`](crate::Session::end), by a [`start`](crate::Session::start) over it, or by a
    /// [`remember`](crate::Session::remember) that gives it another id. It holds where the revocation list is known: with the
    /// default list on this server until it restarts, with a file after a restart too, with a shared list on all servers.
    /// Default: yes.
    pub fn revoke_on_end(self, revoke: bool) -> Self {
        Self {
            revoke_on_end: revoke,
            ..self
        }
    }

    /// Whether a response that ends the session also asks the browser to drop the site's cache and storage
    /// (`Clear-Site-Data: "cache", "storage"`). Other cookies of the site stay. Default: no.
    pub fn clear_site_data(self, clear: bool) -> Self {
        Self {
            clear_site_data: clear,
            ..self
        }
    }

    /// Narrows which requests count as activity, for example to leave out polling. Default: all but prefetches.
    pub fn touch_if(self, counts: impl Fn(&RequestFields) -> bool + Send + Sync + 'static) -> Self {
        Self {
            touch_if: Some(Box::new(counts)),
            ..self
        }
    }

    /// What is revoked. Default: [`Revocations`] of its own, in this process's memory. Keep a clone of the one given here to
    /// send it to other servers. A [`RevocationFile`](crate::revocation::RevocationFile) keeps one for the next start.
    pub fn revocation_list(self, list: impl RevocationList + 'static) -> Self {
        Self {
            revocations: Box::new(list),
            ..self
        }
    }

    /// The application's own check of an opened session: `true` refuses it, as [`Reason::Refused`](crate::Reason::Refused).
    /// Default: none.
    ///
    /// For what ends all sessions of one user: keep an instant (`valid_from`) or a generation number in the user's record,
    /// raise it at a change of password or at "sign out everywhere", and refuse what is older. Compare an instant in whole
    /// seconds, since that is what sessions have: round it down where it is kept.
    ///
    /// It is called when a session is opened, and again in [`finish`](crate::Session::finish) with the data that would be
    /// written, unless the request started a new session. So a request that raises the generation in the record keeps its own
    /// session if it read it before and writes the new number into it; or it starts a new one. The check cannot wait: answer from memory. A record that must be
    /// fetched is better compared in the handler that fetches it anyway.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use std::sync::{Arc, RwLock};
    /// use sealed_session::{Key, KeyRing, Reason, RequestFields, Sessions, SessionState};
    /// # use serde::{Deserialize, Serialize};
    /// # use time::OffsetDateTime;
    /// #[derive(Serialize, Deserialize)]
    /// struct Login { user: u64, generation: u32 }
    ///
    /// let generations = Arc::new(RwLock::new(HashMap::from([(7, 1)])));
    /// let known = Arc::clone(&generations);
    /// let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?))
    ///     .refuse_if(move |opened| {
    ///         let known = known.read().expect("nothing panics while it is written");
    ///         known.get(&opened.data.user) != Some(&opened.data.generation)
    ///     })
    ///     .build()?;
    ///
    /// let cookie = sessions.cookie_for(Login { user: 7, generation: 1 })?;
    /// assert_eq!(sessions.load(RequestFields::from_cookies([cookie.clone()])).state(), SessionState::Valid);
    /// generations.write().expect("nothing panics while it is read").insert(7, 2);
    /// assert_eq!(sessions.load(RequestFields::from_cookies([cookie])).state(), SessionState::Rejected(Reason::Refused));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("reject_if", "validate"))]
    pub fn refuse_if(self, refuses: impl Fn(&Opened<'_, T>) -> bool + Send + Sync + 'static) -> Self {
        Self {
            checks: Checks {
                refuse_if: Some(Box::new(refuses)),
                ..self.checks
            },
            ..self
        }
    }

    /// What counts as signed in. Default: every session.
    ///
    /// Set it as soon as guests have sessions. It decides whom `RequireSession` lets in and what
    /// [`is_signed_in`](crate::Session::is_signed_in) says; an [`update`](crate::Session::update) that changes the answer gives
    /// the session a new id; and a guest's session that ends is not revoked, only removed from the browser.
    pub fn signed_in_if(self, is_signed_in: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        Self {
            checks: Checks {
                signed_in_if: Some(Box::new(is_signed_in)),
                ..self.checks
            },
            ..self
        }
    }

    /// Receives an [`Event`] whenever something happens to a session or to the keys. Default: none.
    pub fn observer(self, observer: impl Observer + 'static) -> Self {
        Self {
            observer: Some(Arc::new(observer)),
            ..self
        }
    }

    /// The clock. Default: the system's. Tests of an application move time with it: `testing::Browser` brings one.
    pub fn clock(self, clock: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        Self {
            clock: Box::new(move || to_seconds(clock())),
            ..self
        }
    }

    /// Checks the configuration.
    ///
    /// # Errors
    /// [`ConfigError`] names the option and says what to change: cookie attributes that a browser would refuse, names
    /// that are too long, timeouts of nothing, of fractions of seconds, beyond 400 days or in contradiction.
    pub fn build(self) -> Result<Sessions<T>, ConfigError> {
        self.attributes.check(&self.name)?;
        if self.development && self.name.starts_with("__") {
            return refuse("the development cookie needs a name of its own without a prefix, such as `shop-dev`");
        }
        let lifetimes = self.lifetimes()?;
        let activity_name = format!("{}-seen", self.name);
        let has_idle = lifetimes.ordinary.idle.is_some() || lifetimes.of(true).idle.is_some();
        if has_idle && activity_name.len() > LONGEST_NAME {
            return refuse("the cookie name takes at most 250 bytes with an idle timeout; shorten `cookie_name`");
        }
        if has_idle {
            // `__Host` has no prefix yet, `__Host-seen` has one.
            self.attributes.check(&activity_name).map_err(|error| {
                ConfigError::new(format!("the activity cookie is called `{activity_name}`: {error}"))
            })?;
        }
        if self.audience.len() > LONGEST_NAME {
            return refuse("the audience takes at most 255 bytes; shorten `audience`");
        }
        if !cookie::is_token(&self.vary_field) {
            return refuse("`vary_field` is not the name of a header field; name one, such as `Cookie`");
        }
        let largest_payload = (cookie::LARGEST - self.name.len()) / 4 * 3 - OVERHEAD;
        if self.pad_to == 0 || self.pad_to > largest_payload {
            return refuse(format!("`pad_to` takes 1 to {largest_payload} bytes, 1 for no padding"));
        }
        debug_assert!(base64url::encoded_len(OVERHEAD + largest_payload) <= cookie::LARGEST);
        let development = self.development;
        let config = Config {
            name: self.name.into(),
            activity_name: activity_name.into(),
            attributes: self.attributes,
            audience: self.audience,
            lifetimes,
            pad_to: self.pad_to,
            vary_field: self.vary_field.into(),
            write_on_server_error: self.write_on_server_error,
            clear_site_data: self.clear_site_data,
            revoke_on_end: self.revoke_on_end,
            touch_if: self.touch_if,
        };
        let sessions = Sessions::new(
            config,
            self.keys,
            self.revocations,
            self.checks,
            self.observer,
            self.clock,
        )?;
        if development {
            sessions.observe(&Event::DevelopmentCookie);
        }
        Ok(sessions)
    }

    fn lifetimes(&self) -> Result<Lifetimes, ConfigError> {
        let ordinary = self.lifetime.checked("lifetime", 30 * 60)?;
        let remembered = self.remembered.map(|lifetime| lifetime.checked("remembered", 14 * DAY));
        let remembered = remembered.transpose()?;
        Ok(Lifetimes { ordinary, remembered })
    }
}

impl<T> fmt::Debug for Builder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("cookie", &self.name)
            .finish_non_exhaustive()
    }
}

/// 255 bytes is what `lp` of the format holds.
const LONGEST_NAME: usize = 255;

fn refuse<R>(problem: impl Into<String>) -> Result<R, ConfigError> {
    Err(ConfigError::new(problem))
}
