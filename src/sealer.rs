//! Sealed values outside sessions: magic links, OAuth state, anything that one's own server hands out and takes back.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use time::OffsetDateTime;

use crate::day_keys::Place;
use crate::error::{ConfigError, OpenError, Reason, SealError};
use crate::ids::SessionId;
use crate::keyring::KeyRing;
use crate::time::{LEEWAY, from_seconds, now, to_seconds};
use crate::token::aead::{self, NoRandomness};
use crate::token::envelope::{Frame, OVERHEAD};
use crate::token::{OpenedToken, PlacedRing, State, base64url};

/// Seals bytes for one purpose under one audience, and opens them again.
///
/// A value sealed for one purpose opens for no other, and never as a session. It is confidential, authentic and
/// expires by itself, but it can be presented again until then: **single use needs a store**. Keep the
/// [`id`](SealedValue::id) of every value that was used until 5 minutes after its
/// [`expires_at`](SealedValue::expires_at) (another server's clock may be behind), and refuse an id that is there.
///
/// ```
/// use std::time::Duration;
/// use sealed_session::{Key, KeyRing, Sealer};
///
/// let links = Sealer::new(KeyRing::new(Key::generate()?), "magic-link", "shop-production")?;
/// let token = links.seal(b"ada@example.com", Duration::from_secs(15 * 60))?;
/// // … https://shop.example/sign-in?t={token} …
/// let value = links.open(&token)?;
/// assert_eq!(value.payload(), b"ada@example.com");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sealer {
    keys: RwLock<Arc<PlacedRing>>,
}

impl Sealer {
    /// A sealer for `purpose` (for example `"oauth-state"`) under `audience` (application and environment; may be
    /// empty).
    ///
    /// Checked: the purpose has 1 to 254 bytes, the audience at most 255.
    ///
    /// # Errors
    /// [`ConfigError`] says which of the two to change.
    pub fn new(keys: impl Into<Arc<KeyRing>>, purpose: &str, audience: &str) -> Result<Self, ConfigError> {
        if purpose.is_empty() {
            return Err(ConfigError::new(
                "the purpose is empty; name what the value is for, such as `magic-link`",
            ));
        }
        // No cookie name contains `/`, so no such value ever opens as a session.
        let place = Place::new(&format!("/{purpose}"), audience).ok_or_else(|| {
            ConfigError::new("the purpose takes at most 254 bytes and the audience at most 255; shorten them")
        })?;
        let keys = PlacedRing::new(keys.into(), place);
        Ok(Self {
            keys: RwLock::new(Arc::new(keys)),
        })
    }

    /// Replaces the key ring while values are sealed and opened.
    pub fn replace_keys(&self, keys: impl Into<Arc<KeyRing>>) {
        let ring = keys.into();
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        *keys = Arc::new(keys.with_ring(ring));
    }

    fn keys(&self) -> Arc<PlacedRing> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seals `payload` for `valid_for` from now (whole seconds, at most 400 days).
    ///
    /// # Errors
    /// [`SealError::Expiry`], [`SealError::TooLarge`] above 8192 characters, [`SealError::RandomSource`].
    pub fn seal(&self, payload: &[u8], valid_for: Duration) -> Result<String, SealError> {
        let now = now();
        self.seal_seconds(payload, &[], now.saturating_add(valid_for.as_secs()), now)
    }

    /// Seals `payload` until `expires`, bound to `bind`: one opaque value that both sides know and that does not
    /// travel, such as the hash of a device key; usually empty.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub fn seal_at(
        &self,
        payload: &[u8],
        bind: &[u8],
        expires: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<String, SealError> {
        self.seal_seconds(payload, bind, to_seconds(expires), to_seconds(now))
    }

    fn seal_seconds(&self, payload: &[u8], bind: &[u8], expires: u64, now: u64) -> Result<String, SealError> {
        let size = base64url::encoded_len(OVERHEAD.saturating_add(payload.len()));
        if size > LONGEST {
            return Err(SealError::TooLarge {
                size,
                limit: LONGEST,
                largest_field: None,
            });
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
        };
        let mut text = String::with_capacity(size);
        self.keys().seal_session(&state, bind, now, &salt, &mut text)?;
        Ok(text)
    }

    /// Opens what [`seal`](Self::seal) made.
    ///
    /// Checked: length and spelling, version, expiry, key, purpose, audience and integrity.
    ///
    /// # Errors
    /// [`OpenError`], the same text for every reason.
    pub fn open(&self, text: &str) -> Result<SealedValue, OpenError> {
        self.open_seconds(text, &[], now())
    }

    /// Opens what [`seal_at`](Self::seal_at) made with the same `bind`.
    ///
    /// # Errors
    /// [`OpenError`], the same text for every reason.
    pub fn open_at(&self, text: &str, bind: &[u8], now: OffsetDateTime) -> Result<SealedValue, OpenError> {
        self.open_seconds(text, bind, to_seconds(now))
    }

    fn open_seconds(&self, text: &str, bind: &[u8], now: u64) -> Result<SealedValue, OpenError> {
        let keys = self.keys();
        let token = keys
            .screen_session(text.as_bytes(), LONGEST, now)
            .map_err(OpenError::new)?;
        let token = keys.open_session(token, bind).map_err(OpenError::new)?;
        if token.frame.remembered {
            return Err(OpenError::new(Reason::UnknownFlags));
        }
        if u64::from(token.frame.started) > now.saturating_add(LEEWAY) {
            return Err(OpenError::new(Reason::StartedInFuture));
        }
        Ok(SealedValue { token })
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

/// A sealed value that was opened: authentic and not expired. Its `Debug` does not show the payload.
pub struct SealedValue {
    token: OpenedToken,
}

impl SealedValue {
    /// The bytes that were sealed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.token.payload()
    }

    /// Eight random bytes that name this value: what a store of used values keys on.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.token.head.session_id
    }

    /// When it was sealed.
    #[must_use]
    pub fn sealed_at(&self) -> OffsetDateTime {
        from_seconds(self.token.frame.sealed.into())
    }

    /// When it stops opening: how long a store of used values must remember the id.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        from_seconds(self.token.head.expires.into())
    }
}

impl fmt::Debug for SealedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedValue({}, expires at {})", self.id(), self.token.head.expires)
    }
}

/// Longest sealed value in characters: a link that every mail program and server still passes on is shorter.
const LONGEST: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;

    fn sealer(ring: &Arc<KeyRing>, purpose: &str, audience: &str) -> Sealer {
        Sealer::new(Arc::clone(ring), purpose, audience).unwrap()
    }

    fn at(seconds: u64) -> OffsetDateTime {
        from_seconds(seconds)
    }

    #[test]
    fn a_value_opens_for_its_purpose_audience_bind_and_time_only() {
        let ring = Arc::new(KeyRing::new(Key::generate().unwrap()));
        let links = sealer(&ring, "magic-link", "shop");
        let token = links.seal_at(b"ada", b"device", at(2000), at(1000)).unwrap();
        let value = links.open_at(&token, b"device", at(1999)).unwrap();
        assert_eq!(value.payload(), b"ada");
        assert_eq!((value.sealed_at(), value.expires_at()), (at(1000), at(2000)));
        let reason = |sealer: &Sealer, bind: &[u8], now| sealer.open_at(&token, bind, at(now)).unwrap_err().reason();
        assert_eq!(reason(&links, b"device", 2000), Reason::Expired);
        assert_eq!(reason(&links, b"", 1999), Reason::NotOurs);
        assert_eq!(
            reason(&sealer(&ring, "oauth-state", "shop"), b"device", 1999),
            Reason::NotOurs
        );
        assert_eq!(
            reason(&sealer(&ring, "magic-link", "blog"), b"device", 1999),
            Reason::NotOurs
        );
        assert_eq!(reason(&links, b"device", 0), Reason::StartedInFuture);
        let stranger = Arc::new(KeyRing::new(Key::generate().unwrap()));
        assert_eq!(
            reason(&sealer(&stranger, "magic-link", "shop"), b"device", 1999),
            Reason::UnknownKey
        );
        assert_eq!(
            format!("{value:?}"),
            format!("SealedValue({}, expires at 2000)", value.id())
        );
    }

    #[test]
    fn a_value_outlives_the_rotation_of_its_key_as_long_as_the_ring_opens_it() {
        let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
        let (old, new) = (old.write_with_secret(), new.write_with_secret());
        let key = |text: &crate::key::SecretText| Key::parse(text.expose()).unwrap();
        let links = Sealer::new(KeyRing::new(key(&old)), "magic-link", "").unwrap();
        let token = links.seal_at(b"ada", b"", at(2000), at(1000)).unwrap();
        links.replace_keys(KeyRing::new(key(&new)).open(key(&old)).unwrap());
        assert_eq!(links.open_at(&token, b"", at(1500)).unwrap().payload(), b"ada");
        links.replace_keys(KeyRing::new(key(&new)));
        assert_eq!(
            links.open_at(&token, b"", at(1500)).unwrap_err().reason(),
            Reason::UnknownKey
        );
    }

    #[test]
    fn impossible_values_are_refused() {
        let ring = Arc::new(KeyRing::new(Key::generate().unwrap()));
        let links = sealer(&ring, "magic-link", "");
        assert_eq!(links.seal_at(b"", b"", at(1000), at(1000)), Err(SealError::Expiry));
        assert_eq!(links.seal_at(b"", b"", at(401 * 86_400), at(0)), Err(SealError::Expiry));
        assert_eq!(
            links.seal_at(b"", b"", at(u64::from(u32::MAX) + 1), at(u32::MAX.into())),
            Err(SealError::Expiry)
        );
        let largest = 8192 / 4 * 3 - OVERHEAD;
        assert_eq!(links.seal_at(&vec![0; largest], b"", at(9), at(0)).unwrap().len(), 8192);
        assert!(matches!(
            links.seal_at(&vec![0; largest + 1], b"", at(9), at(0)),
            Err(SealError::TooLarge {
                size: 8194,
                limit: 8192,
                ..
            })
        ));
        assert!(Sealer::new(Arc::clone(&ring), "", "").is_err());
        assert!(Sealer::new(Arc::clone(&ring), &"x".repeat(254), "").is_ok());
        assert!(Sealer::new(Arc::clone(&ring), &"x".repeat(255), "").is_err());
        assert!(Sealer::new(ring, "x", &"x".repeat(256)).is_err());
    }
}
