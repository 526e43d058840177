//! Sealed values outside sessions: magic links, OAuth state, anything that your server hands out and takes back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use time::OffsetDateTime;

use crate::aead::{self, NoRandomness};
use crate::error::{ConfigError, Reason};
pub use crate::error::{OpenError, SealError};
use crate::ids::SessionId;
use crate::keys::day_keys::Place;
use crate::keys::ring::KeyRing;
use crate::time::{HAS_CLOCK, LEEWAY, from_seconds, now, to_seconds};
use crate::token::envelope::{Frame, OVERHEAD};
use crate::token::{OpenedToken, PlacedRing, Screened, State, base64url};

/// Seals bytes for one purpose under one audience, and opens them again.
///
/// A value sealed for one purpose opens for no other, and never as a session. It is confidential, authentic and
/// expires by itself, but it can be presented again until then: **single use needs a store**. Keep the
/// [`id`](OpenedValue::id) of every value that was used until 5 minutes after its
/// [`expires`](OpenedValue::expires) (another server's clock may be slow), and refuse an id that is there.
///
/// On `wasm32-unknown-unknown` without the feature `wasm_js` there is no clock: nothing seals or opens but at a time that
/// you give.
///
/// ```
/// use std::time::Duration;
/// use sealed_session::{Key, KeyRing, Sealer};
///
/// let links = Sealer::new(KeyRing::new(Key::generate()?), "magic-link")?.with_audience("shop-production")?;
/// let token = links.seal(b"ada@example.com", Duration::from_secs(15 * 60))?;
/// // … https://shop.example/sign-in?t={token} …
/// let value = links.open(&token)?;
/// assert_eq!(value.payload(), b"ada@example.com");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sealer {
    keys: ArcSwap<PlacedRing>,
    purpose: String,
}

/// How long a value is valid, and what it is bound to. A [`Duration`] converts into options that bind the value to
/// nothing.
///
/// ```
/// # use sealed_session::{Key, KeyRing, Sealer};
/// use std::time::Duration;
/// use sealed_session::sealer::SealOptions;
/// use time::OffsetDateTime;
///
/// let pairing = Sealer::new(KeyRing::new(Key::generate()?), "pairing")?;
/// let options = SealOptions::valid_for(Duration::from_secs(60)).bind(b"hash of the device's key");
/// let token = pairing.seal(b"ada", options)?;
/// assert!(pairing.open(&token).is_err());
/// let value = pairing.open_at(&token, b"hash of the device's key", OffsetDateTime::now_utc())?;
/// assert_eq!(value.payload(), b"ada");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct SealOptions<'a> {
    valid_for: Duration,
    bind: &'a [u8],
}

impl<'a> SealOptions<'a> {
    /// Valid for this long: at least one second, at most 400 days. Fractions of a second are dropped.
    #[must_use]
    pub fn valid_for(valid_for: Duration) -> Self {
        Self { valid_for, bind: &[] }
    }

    /// Bound to one opaque value that both sides know and that does not travel, such as the hash of a device key: it
    /// opens with no other. Default: empty.
    #[must_use]
    pub fn bind(mut self, bind: &'a [u8]) -> Self {
        self.bind = bind;
        self
    }
}

impl From<Duration> for SealOptions<'_> {
    fn from(valid_for: Duration) -> Self {
        Self::valid_for(valid_for)
    }
}

impl fmt::Debug for SealOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealOptions")
            .field("valid_for", &self.valid_for)
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// A sealer for `purpose`, for example `"oauth-state"`.
    ///
    /// Checked: the purpose has 1 to 254 bytes.
    ///
    /// # Errors
    /// [`ConfigError`] says what to change.
    pub fn new(keys: impl Into<Arc<KeyRing>>, purpose: &str) -> Result<Self, ConfigError> {
        if purpose.is_empty() {
            return Err(ConfigError::new(
                "the purpose is empty; name what the value is for, such as `magic-link`",
            ));
        }
        // No cookie name contains `/`, so no such value ever opens as a session.
        Self::placed(keys.into(), format!("/{purpose}"), "")
    }

    /// The same under an audience, the application with its environment: its values open under no other. Default:
    /// empty.
    ///
    /// # Errors
    /// [`ConfigError`] if the audience is longer than 255 bytes.
    pub fn with_audience(self, audience: &str) -> Result<Self, ConfigError> {
        let ring = Arc::clone(self.keys.load().ring());
        Self::placed(ring, self.purpose, audience)
    }

    fn placed(ring: Arc<KeyRing>, purpose: String, audience: &str) -> Result<Self, ConfigError> {
        let place = Place::new(&purpose, audience).ok_or_else(|| {
            ConfigError::new("the purpose takes at most 254 bytes and the audience at most 255; shorten them")
        })?;
        Ok(Self {
            keys: ArcSwap::from_pointee(PlacedRing::new(ring, place)),
            purpose,
        })
    }

    /// Replaces the key ring while values are sealed and opened. Values under a key that the new ring lacks no longer
    /// open.
    pub fn replace_keys(&self, keys: impl Into<Arc<KeyRing>>) {
        let ring = keys.into();
        self.keys.rcu(|keys| keys.with_ring(Arc::clone(&ring)));
    }

    /// Seals `payload` for a [`Duration`] from now (at least one second, at most 400 days), or as [`SealOptions`] say.
    ///
    /// # Errors
    /// [`SealError::Expiry`], [`SealError::TooLarge`] above 8192 characters, [`SealError::RandomSource`].
    pub fn seal<'a>(&self, payload: &[u8], options: impl Into<SealOptions<'a>>) -> Result<String, SealError> {
        if !HAS_CLOCK {
            // A value from 1970 would never open.
            return Err(SealError::Expiry);
        }
        self.seal_at(payload, options, from_seconds(now()))
    }

    /// Seals `payload` as [`seal`](Self::seal) does, at `now`.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub fn seal_at<'a>(
        &self,
        payload: &[u8],
        options: impl Into<SealOptions<'a>>,
        now: OffsetDateTime,
    ) -> Result<String, SealError> {
        let (SealOptions { valid_for, bind }, now) = (options.into(), to_seconds(now));
        let expires = now.saturating_add(valid_for.as_secs());
        let size = base64url::encoded_len(OVERHEAD.saturating_add(payload.len()));
        if size > LONGEST {
            return Err(SealError::TooLarge { size, limit: LONGEST });
        }
        let (id, salt) = aead::fresh_id_and_salt(aead::os_random).map_err(|NoRandomness| SealError::RandomSource)?;
        let started = u32::try_from(now).map_err(|_| SealError::Expiry)?;
        let frame = Frame {
            started,
            sealed: started,
            remembered: false,
        };
        let state = State {
            session_id: SessionId(id),
            expires,
            frame,
            payload,
            padding: 0,
            chunks: 1,
        };
        let mut text = String::with_capacity(size);
        self.keys.load().seal_session(&state, bind, now, &salt, &mut text)?;
        Ok(text)
    }

    /// Opens a value that [`seal`](Self::seal) made and that is [bound](SealOptions::bind) to nothing.
    ///
    /// Checked: length and spelling, version, expiry, key, purpose, audience and integrity.
    ///
    /// # Errors
    /// [`OpenError`], the same text for every reason.
    pub fn open(&self, text: &str) -> Result<OpenedValue, OpenError> {
        self.open_at(text, &[], from_seconds(now()))
    }

    /// Opens at `now` a value that [`seal`](Self::seal) or [`seal_at`](Self::seal_at) made with the same `bind` (empty:
    /// bound to nothing).
    ///
    /// Checked: as [`open`](Self::open), and the bind.
    ///
    /// # Errors
    /// [`OpenError`], the same text for every reason.
    pub fn open_at(&self, text: &str, bind: &[u8], now: OffsetDateTime) -> Result<OpenedValue, OpenError> {
        let now = to_seconds(now);
        let keys = self.keys.load();
        let token = keys
            .screen_value(text.as_bytes(), LONGEST, now)
            .and_then(Screened::decode)
            .map_err(OpenError::new)?;
        let token = keys.open_session(token, bind, &mut |_| None).map_err(OpenError::new)?;
        if token.frame.remembered {
            return Err(OpenError::new(Reason::UnknownFlags));
        }
        if u64::from(token.frame.started) > now.saturating_add(LEEWAY) {
            return Err(OpenError::new(Reason::StartedInFuture));
        }
        Ok(OpenedValue { token })
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

/// The public name of a sealed value: 8 random bytes. It is no credential. It is no [`SessionId`] either, so that a
/// store of used values is not mixed up with a list of sessions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(SessionId);

impl ValueId {
    /// The eight bytes as they are in the value.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_bytes()
    }
}

impl fmt::Display for ValueId {
    /// 16 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValueId({self})")
    }
}

/// A sealed value that was opened: authentic and not expired. Its `Debug` does not show the payload.
pub struct OpenedValue {
    token: OpenedToken,
}

impl OpenedValue {
    /// The bytes that were sealed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.token.payload()
    }

    /// The public name of this value: the key in a store of used values.
    #[must_use]
    pub fn id(&self) -> ValueId {
        ValueId(self.token.head.session_id)
    }

    /// When it was sealed.
    #[must_use]
    pub fn sealed(&self) -> OffsetDateTime {
        from_seconds(self.token.frame.sealed.into())
    }

    /// When it stops opening. A store of used values keeps the id for 5 minutes longer, since another server's clock
    /// may be slow.
    #[must_use]
    pub fn expires(&self) -> OffsetDateTime {
        from_seconds(self.token.head.expires.into())
    }
}

impl fmt::Debug for OpenedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenedValue({}, expires at {})", self.id(), self.token.head.expires)
    }
}

/// Longest sealed value in characters. Links that every mail program and server passes on are shorter.
const LONGEST: usize = 8192;

#[cfg(test)]
mod tests;
