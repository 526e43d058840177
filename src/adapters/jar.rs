//! Feature `cookie`: reads what the signed and private jars of the `cookie` crate wrote, for
//! [`Builder::adopt`](crate::Builder::adopt).

use std::fmt;

use ::cookie::{Cookie, CookieJar, Key};

use crate::error::ConfigError;
use crate::sessions::adopt::Adopted;

/// Reads the cookies of the `cookie` crate's private and signed jars, through that crate: those of axum-extra, Rocket
/// and actix-session.
///
/// The key is the old application's, as bytes. It takes 64 bytes or more as the `cookie` crate's `Key::from` does
/// (`Key::master` gives them), and 32 to 63 bytes as `Key::derive_from` does; of longer material for `derive_from`, give the
/// `Key::master`.
///
/// ```
/// use sealed_session::adopt::JarReader;
/// use time::{Duration, OffsetDateTime};
/// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Login { user: u64 }
///
/// # let ring = KeyRing::new(Key::generate()?);
/// # let until = OffsetDateTime::now_utc() + Duration::days(30);
/// # let old_key = [7; 64];
/// # let jar = cookie::CookieJar::new();
/// # let mut jar = jar;
/// # jar.private_mut(&cookie::Key::from(&old_key)).add(("login", "7"));
/// # let old_field = jar.iter().map(|cookie| cookie.encoded().to_string()).next().ok_or("no cookie")?;
/// let old = JarReader::private("login", &old_key)?.read(|user| Some(Login { user: user.parse().ok()? }));
/// let sessions = Sessions::<Login>::builder(ring).adopt("login", until, old).build()?;
/// let session = sessions.load(RequestFields::from_cookies([old_field]));
/// assert_eq!(session.get().map(|login| login.user), Some(7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JarReader {
    name: String,
    key: Key,
    is_private: bool,
}

impl JarReader {
    /// Reads encrypted cookies of this name.
    ///
    /// # Errors
    /// [`ConfigError`] if the key has fewer than 32 bytes.
    ///
    /// ```
    /// # use sealed_session::adopt::JarReader;
    /// assert!(JarReader::private("session", &[7; 64]).is_ok());
    /// assert!(JarReader::private("session", b"my password").is_err());
    /// ```
    pub fn private(name: impl Into<String>, key: &[u8]) -> Result<Self, ConfigError> {
        Self::new(name, key, true)
    }

    /// Reads signed cookies of this name. The signature does not cover the name: whatever the old application signed
    /// for visitors in another cookie is read here too. Nor has it a random part: the text needs something new at each
    /// sign-in, or all sessions of a user have one id, and a sign-out refuses all of them.
    ///
    /// # Errors
    /// [`ConfigError`] if the key has fewer than 32 bytes.
    ///
    /// ```
    /// # use sealed_session::adopt::JarReader;
    /// assert!(JarReader::signed("session", &[7; 64]).is_ok());
    /// ```
    pub fn signed(name: impl Into<String>, key: &[u8]) -> Result<Self, ConfigError> {
        Self::new(name, key, false)
    }

    fn new(name: impl Into<String>, key: &[u8], is_private: bool) -> Result<Self, ConfigError> {
        let key = match key.len() {
            64.. => Key::from(key),
            32.. => Key::derive_from(key),
            short => {
                return Err(ConfigError::new(format!(
                    "the key of the old cookies has {short} bytes; give the 64 bytes of its `Key::master`"
                )));
            }
        };
        Ok(Self {
            name: name.into(),
            key,
            is_private,
        })
    }

    /// The value without percent-encoding, in which it has one spelling (the jars take base64 in its canonical form
    /// alone), and the text in it.
    fn verified(&self, value: &str) -> Option<(String, String)> {
        let sealed = Cookie::parse_encoded(format!("{}={value}", self.name))
            .ok()?
            .into_owned();
        let decoded = sealed.value().to_owned();
        let jar = CookieJar::new();
        let opened = match self.is_private {
            true => jar.private(&self.key).decrypt(sealed),
            false => jar.signed(&self.key).verify(sealed),
        };
        Some((decoded, opened?.value().to_owned()))
    }

    /// What [`adopt`](crate::Builder::adopt) calls. `data` gets the verified text of a cookie.
    ///
    /// ```
    /// use sealed_session::adopt::{Adopted, JarReader};
    /// # struct Login { user: u64 }
    /// let old = JarReader::signed("login", &[7; 64])?.read(|user| Some(Login { user: user.parse().ok()? }));
    /// // Browsers kept these cookies when they were closed.
    /// let remembered = move |value: &str| {
    ///     let mut adopted: Adopted<Login> = old(value)?;
    ///     adopted.remembered = true;
    ///     Some(adopted)
    /// };
    /// assert!(remembered("not signed").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read<T>(
        self,
        data: impl Fn(&str) -> Option<T> + Send + Sync + 'static,
    ) -> impl Fn(&str) -> Option<Adopted<T>> + Send + Sync + 'static {
        move |value| {
            let (decoded, text) = self.verified(value)?;
            Some(Adopted::new(decoded, data(&text)?))
        }
    }
}

impl fmt::Debug for JarReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JarReader")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
