//! Coming from another library: its cookie becomes a session, so that the switch signs nobody out.
//!
//! [`Builder::adopt`](crate::Builder::adopt) names the old cookie and reads it. A session that is in a store is looked up
//! by a middleware instead: [`Session::adopt`](crate::Session::adopt). docs/migrating has both releases of the switch, and a page for each of the
//! usual libraries.

mod request;

use std::fmt;
use std::sync::atomic::AtomicU64;

use time::OffsetDateTime;

use crate::aead::Prk;
use crate::error::{ConfigError, refuse};
use crate::headers::cookie::Attributes;
use crate::ids::SessionId;
use crate::sessions::config::Config;
use crate::time::{LEEWAY, LONGEST_LIFE};

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

    /// The first of two releases of a rolling deploy: servers of the old application still answer, and the visitor goes back and forth.
    /// Default: off, which is the second release.
    ///
    /// A visitor without cookies of ours then keeps the old one. It is read with every request, and none of ours is
    /// sent, whatever the handler does: the old application could not end such a session. So handlers still write the
    /// old cookie themselves, next to each `start`, `update` and `end`. Visitors whom a server of the second release has already
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
        let name = self.name;
        let ours = [&*config.name, &*config.activity_name];
        let chunks = config.chunk_names.iter().map(|name| &**name);
        let all = ours.into_iter().chain(chunks);
        #[cfg(feature = "device")]
        let all = all.chain(
            config
                .device
                .iter()
                .flat_map(|device| [&*device.proof_name, &*device.asked_name]),
        );
        if all.into_iter().any(|our| our == name) {
            return refuse(format!(
                "`adopt` names `{name}`, which is a cookie of these sessions; choose another `cookie_name`"
            ));
        }
        if until > now.saturating_add(LONGEST_LIFE) {
            return refuse("`adopt` ends more than 400 days from now; browsers keep no cookie that long");
        }
        if !config.revoke_on_end {
            return refuse(
                "`adopt` needs `revoke_on_end`: without it, a copy of the old cookie signs in again after a sign-out",
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
