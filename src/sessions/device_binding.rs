//! Feature `device`: how sessions are bound to devices.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{ConfigError, refuse};
use crate::headers::cookie::SameSite;
use crate::ids::SessionId;
use crate::keys::ring::KeyRing;
use crate::sessions::config::Config;
use crate::token::PlacedRing;

/// How sessions are bound to the visitor's device, for [`Builder::device_binding`](crate::Builder::device_binding)
/// (feature `device`, **experimental**: the protocol, Device Bound Session Credentials, is a W3C draft).
///
/// ```
/// use std::time::Duration;
/// use sealed_session::device::DeviceBinding;
/// # use sealed_session::{Key, KeyRing, Sessions};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Login { user: u64 }
///
/// let binding = DeviceBinding::at("/device").exclude("/assets").proof_lifetime(Duration::from_secs(16 * 60));
/// let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).device_binding(binding).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "give it to `Builder::device_binding`"]
pub struct DeviceBinding {
    path: String,
    excluded: Vec<String>,
    initiators: Vec<String>,
    proof_lifetime: Duration,
    offer: bool,
    introduce: bool,
}

impl DeviceBinding {
    /// With the two endpoints `register` and `refresh` under this path, such as `/device`: the application's routes.
    /// Nothing else may answer there, neither rate limits, redirects nor checks of CSRF tokens:
    /// [docs/device-binding.md](https://github.com/sealed-session/sealed-session/blob/main/docs/device-binding.md).
    pub fn at(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            excluded: Vec::new(),
            initiators: Vec::new(),
            proof_lifetime: Duration::from_secs(11 * 60),
            offer: true,
            introduce: false,
        }
    }

    /// Asks for no proof before requests for this path and those below it, such as `/assets`. A bound session may be
    /// unproven there. Default: none.
    pub fn exclude(mut self, path: impl Into<String>) -> Self {
        self.excluded.push(path.into());
        self
    }

    /// Lets the pages of this host, such as `mail.example` or `*.example`, make the browser prove itself with their
    /// links to this site, which then arrive proven in one step. It tells such a page by a time whether the visitor has
    /// a bound session here. Default: none.
    pub fn allow_initiator(mut self, host: impl Into<String>) -> Self {
        self.initiators.push(host.into());
        self
    }

    /// How long a proof is valid, in whole seconds: a stolen copy of the cookies works that long at most. The browser
    /// proves itself again at least a minute before the end, if the visitor is active. Default: 11 minutes, at least 61
    /// seconds, at most a day.
    ///
    /// Browsers sign about six times in nine minutes for all applications of a registrable domain: two for a sign-in,
    /// one for each later proof. An active visitor needs one every lifetime less 3 minutes. Keep the lifetime at 6
    /// minutes or more, and higher if several applications share the domain: a single sign-on to three takes all six.
    pub fn proof_lifetime(mut self, lifetime: Duration) -> Self {
        self.proof_lifetime = lifetime;
        self
    }

    /// Whether new sessions are offered to be bound. Default: yes. On a fleet, first let every server open bound
    /// sessions and answer at the endpoints, with `offer(false)`; then offer.
    pub fn offer(mut self, offer: bool) -> Self {
        self.offer = offer;
        self
    }

    /// Whether a bound session without a valid proof is a session all the same: to see in
    /// [`Event::Unproven`](crate::Event::Unproven) and [`Session::device`](crate::Session::device) what would be
    /// refused, before it is. **Stolen cookies work meanwhile.** Default: no.
    pub fn introduce(mut self, introduce: bool) -> Self {
        self.introduce = introduce;
        self
    }

    /// Checks the options against those of the sessions.
    pub(crate) fn checked(self, config: &Config) -> Result<Device, ConfigError> {
        let attributes = &config.attributes;
        let lacks_idle = config.lifetimes.ordinary.idle.is_none() || config.lifetimes.of(true).idle.is_none();
        if config.name.len() > LONGEST_NAME {
            return refuse("the cookie name takes at most 246 bytes with device binding; shorten `cookie_name`");
        }
        if lacks_idle {
            return refuse(
                "the binding to a device is kept with the idle timeout; set one for every kind of session, or leave out \
                 `device_binding`",
            );
        }
        if !attributes.secure {
            return refuse(
                "browsers bind sessions over https alone; leave out `device_binding` with the development cookie",
            );
        }
        if attributes.domain.is_some() || attributes.partitioned || attributes.same_site == SameSite::None {
            return refuse(
                "browsers prove a device to one host and to its own pages; leave out `cookie_domain`, `partitioned` and \
                 `SameSite::None`, or `device_binding`",
            );
        }
        if !is_path(&self.path) || !is_below(&self.path, &attributes.path) {
            return refuse(format!(
                "the path of `DeviceBinding::at` begins with `/` and does not end with it, has letters, digits, `-`, `.`, \
                 `_`, `~` alone, and is below the cookies' path: write `/device`, not `{}`",
                self.path
            ));
        }
        if let Some(path) = self.excluded.iter().find(|path| !is_path(path)) {
            return refuse(format!(
                "`exclude` takes a path such as `/assets`, not `{path}`; begin it with `/`, do not end it with one"
            ));
        }
        if let Some(host) = self.initiators.iter().find(|host| !is_host(host)) {
            return refuse(format!(
                "`allow_initiator` takes a host in small letters, such as `mail.example`, `*.example` or `*`, not `{host}`"
            ));
        }
        if !self.initiators.is_empty() && attributes.same_site == SameSite::Strict {
            return refuse(
                "browsers keep the proofs that other sites begin with `SameSite::Lax` alone; leave out `allow_initiator` \
                 or `same_site`",
            );
        }
        let proof_lifetime = self.proof_lifetime.as_secs();
        if self.proof_lifetime.subsec_nanos() != 0 || !(61..=86_400).contains(&proof_lifetime) {
            return refuse("`proof_lifetime` takes whole seconds, from 61 to 86400");
        }
        Ok(Device {
            register_path: format!("{}/register", self.path),
            refresh_path: format!("{}/refresh", self.path),
            proof_name: format!("{}-proof", config.name),
            asked_name: format!("{}-asked", config.name),
            excluded: self.excluded,
            initiators: self.initiators,
            proof_lifetime,
            offer: self.offer,
            introduce: self.introduce,
        })
    }
}

/// The checked options.
pub(crate) struct Device {
    pub(crate) register_path: String,
    pub(crate) refresh_path: String,
    pub(crate) proof_name: String,
    /// The marker: the cookie that says that this browser was asked for a proof a moment ago. It holds the one before.
    pub(crate) asked_name: String,
    pub(crate) excluded: Vec<String>,
    pub(crate) initiators: Vec<String>,
    /// In seconds.
    pub(crate) proof_lifetime: u64,
    pub(crate) offer: bool,
    pub(crate) introduce: bool,
}

/// The ring, placed for the four kinds of token that device binding adds.
pub(crate) struct DeviceKeys {
    pub(crate) proof: PlacedRing,
    pub(crate) key: PlacedRing,
    pub(crate) register: PlacedRing,
    pub(crate) refresh: PlacedRing,
}

impl DeviceKeys {
    /// `placed` places the ring for a name.
    pub(crate) fn new(name: &str, placed: impl Fn(&str) -> Option<PlacedRing>) -> Option<Self> {
        let placed = |suffix| placed(&format!("{name}-{suffix}"));
        Some(Self {
            proof: placed("proof")?,
            key: placed("key")?,
            register: placed("register")?,
            refresh: placed("refresh")?,
        })
    }

    pub(crate) fn with_ring(&self, ring: &Arc<KeyRing>) -> Self {
        let placed = |place: &PlacedRing| place.with_ring(Arc::clone(ring));
        Self {
            proof: placed(&self.proof),
            key: placed(&self.key),
            register: placed(&self.register),
            refresh: placed(&self.refresh),
        }
    }

    /// The value of `Secure-Session-Registration`, which offers to register a device for a new session. `None` if the
    /// clock has left the format's range.
    pub(crate) fn offer(&self, path: &str, id: SessionId, random: &[u8; 8], bind: &[u8], now: u64) -> Option<String> {
        let mut field = format!("(ES256);path=\"{path}\";challenge=\"");
        self.register
            .seal_challenge(&id.0, random, bind, now, &mut field)
            .ok()?;
        field.push('"');
        Some(field)
    }
}

/// With `-register` it has 255 bytes.
const LONGEST_NAME: usize = 246;

/// Whether `path` needs no escaping in JSON, in header fields and in addresses.
fn is_path(path: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let is_segment =
        |segment: &str| !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(known);
    path.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(is_segment))
}

/// Whether `host` is a host name in small letters, or a pattern of them. A browser that refuses one refuses to bind.
fn is_host(host: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(known);
    host == "*" || host.strip_prefix("*.").unwrap_or(host).split('.').all(is_label)
}

/// Whether browsers send cookies of the path `of` to `path`.
fn is_below(path: &str, of: &str) -> bool {
    path.strip_prefix(of)
        .is_some_and(|rest| rest.is_empty() || of.ends_with('/') || rest.starts_with('/'))
}
