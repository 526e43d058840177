//! Feature `testing`: a browser for an application's own tests.
//!
//! [`Browser`] keeps the cookies of responses as browsers do and writes the `Cookie` field of the next request. It
//! brings a clock that the test moves. A session and its cookies then expire together, and no test waits.
//!
//! ```
//! use std::time::Duration;
//!
//! use sealed_session::testing::Browser;
//! use sealed_session::{Key, KeyRing, Sessions};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Login {
//!     user: u64,
//! }
//!
//! let mut ada = Browser::new();
//! let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?))
//!     .audience("shop")
//!     .clock(ada.clock())
//!     .build()?;
//!
//! // She signs in. An application calls its handlers here, with `ada.cookie_field()` in the request (axum, actix).
//! let mut session = sessions.load(ada.fields());
//! session.start(Login { user: 7 })?;
//! let mut headers = Vec::new();
//! session.finish(303, &mut headers);
//! ada.receive(&headers);
//! assert_eq!(sessions.load(ada.fields()).get().map(|login| login.user), Some(7));
//! assert!(ada.cookie("__Host-id").is_some_and(|cookie| cookie.http_only));
//!
//! // She stays away for longer than the idle timeout.
//! ada.pass(Duration::from_secs(31 * 60));
//! assert!(sessions.load(ada.fields()).get().is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cookie;
#[cfg(feature = "device")]
#[doc(hidden)]
pub mod vectors;

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use crate::headers::cookie::{LARGEST, SameSite};
use crate::headers::{RequestFields, ResponseHeaders};
use crate::time::{from_seconds, now, to_seconds};

pub use self::cookie::Cookie;

use self::cookie::trim;

/// A browser that visits one host, over https, with a clock that only the test moves.
///
/// It follows RFC 6265bis: name prefixes, `Secure`, `Max-Age`, `Expires`, `Path` and the limits of one cookie. If a
/// browser would drop a cookie without a word, [`receive`](Self::receive) panics, so that a test fails where the cookie
/// is lost.
///
/// It knows neither its host nor other sites: it accepts every `Domain`, and keeps `SameSite` without using it.
///
/// A clone has the same cookies and the same clock from then on: a thief with a copy, or a second tab.
///
/// # Examples
///
/// A cookie that a sibling subdomain plants is sent beside the host's own cookie, and cannot be a `__Host-` cookie:
///
/// ```
/// use sealed_session::testing::Browser;
///
/// let mut browser = Browser::new();
/// browser.set_cookie("id=own; Secure")?;
/// browser.set_cookie("id=planted; Domain=shop.example")?;
/// assert_eq!(browser.cookie_field(), "id=own; id=planted");
///
/// let refused = browser.set_cookie("__Host-id=planted; Path=/; Secure; Domain=shop.example").unwrap_err();
/// assert!(refused.to_string().contains("without `Domain`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Browser {
    /// The time since 1970.
    clock: Arc<Mutex<Duration>>,
    is_https: bool,
    path: String,
    /// The oldest first.
    cookies: Vec<Cookie>,
}

/// Why a browser would not keep a cookie.
///
/// Its text has the name, the attributes and what to change, and never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(String);

impl Browser {
    /// A browser without cookies. Its clock shows the present.
    #[must_use]
    pub fn new() -> Self {
        Self::at(now())
    }

    /// A browser without cookies. Its clock shows this time, in seconds since 1970.
    #[must_use]
    pub fn at(unix_seconds: u64) -> Self {
        Self {
            clock: Arc::new(Mutex::new(Duration::from_secs(unix_seconds))),
            is_https: true,
            path: "/".to_owned(),
            cookies: Vec::new(),
        }
    }

    /// Another visitor: a browser without cookies that shares this one's clock.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            cookies: Vec::new(),
            ..self.clone()
        }
    }

    /// Visits the host over plain http: `Secure` cookies are neither sent nor taken. Default: https.
    ///
    /// Some browsers make an exception for `http://localhost`; this one does not.
    #[must_use]
    pub fn over_http(mut self) -> Self {
        self.is_https = false;
        self
    }

    /// The path of the next requests. Default: `/`, which is not below the
    /// [`cookie_path`](crate::Builder::cookie_path) of an application that has one.
    pub fn visit(&mut self, path: &str) {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let path = if path.starts_with('/') { path } else { "/" };
        path.clone_into(&mut self.path);
    }

    /// The clock, for [`Builder::clock`](crate::Builder::clock).
    pub fn clock(&self) -> impl Fn() -> OffsetDateTime + Send + Sync + use<> {
        let clock = Arc::clone(&self.clock);
        move || from_seconds(clock.lock().unwrap_or_else(PoisonError::into_inner).as_secs())
    }

    /// The time of the clock, in whole seconds.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.clock()()
    }

    /// Lets time pass, for all browsers and sessions that share the clock.
    pub fn pass(&self, time: Duration) {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        *clock = clock.saturating_add(time);
    }

    /// Keeps the cookies of a response.
    ///
    /// # Panics
    ///
    /// If a browser would drop one of them: the message says why.
    #[track_caller]
    pub fn receive(&mut self, headers: &(impl ResponseHeaders + ?Sized)) {
        let mut lines = Vec::new();
        headers.for_each_line(&mut |name, value| {
            if name.eq_ignore_ascii_case("Set-Cookie") {
                lines.push(String::from_utf8_lossy(value).into_owned());
            }
        });
        for line in lines {
            if let Err(refused) = self.set_cookie(&line) {
                panic!("{refused}");
            }
        }
    }

    /// Keeps the cookie of one `Set-Cookie` line, or removes it if the line says so.
    ///
    /// # Errors
    ///
    /// If a browser would drop the line: it then keeps its old cookie.
    pub fn set_cookie(&mut self, line: &str) -> Result<(), Refused> {
        let refuse = |why: String| Refused(format!("a browser refuses the cookie {}: {why}", without_value(line)));
        let (cookie, has_path) = Cookie::parse(line, &self.path, to_seconds(self.now())).map_err(refuse)?;
        self.check(&cookie, has_path).map_err(refuse)?;
        match self.cookies.iter_mut().find(|other| other.is_same(&cookie)) {
            Some(old) => *old = cookie,
            None => self.cookies.push(cookie),
        }
        self.forget_expired();
        Ok(())
    }

    /// Puts cookies in by hand, spelled as in a `Cookie` field and unchecked: from
    /// [`Sessions::cookie_for`](crate::Sessions::cookie_for), stolen, planted or garbage.
    ///
    /// A cookie that is there keeps its attributes. A new one goes to every path of this host until the browser is
    /// closed.
    ///
    /// ```
    /// use sealed_session::testing::Browser;
    ///
    /// let mut attacker = Browser::new();
    /// attacker.put("__Host-id=guessed; theme=dark");
    /// assert_eq!(attacker.value("__Host-id"), Some("guessed"));
    /// ```
    pub fn put(&mut self, cookie_field: &str) {
        self.forget_expired();
        for pair in cookie_field.split(';').map(trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or(("", pair));
            match self.cookies.iter_mut().find(|cookie| cookie.name == name) {
                Some(cookie) => value.clone_into(&mut cookie.value),
                None => self.cookies.push(Cookie {
                    value: value.to_owned(),
                    ..Cookie::new(name, "/")
                }),
            }
        }
    }

    /// Forgets all cookies of this name.
    pub fn remove(&mut self, name: &str) {
        self.cookies.retain(|cookie| cookie.name != name);
    }

    /// Closes the browser and opens it again: cookies without `Max-Age` or `Expires` are gone.
    pub fn restart(&mut self) {
        self.cookies.retain(|cookie| cookie.expires.is_some());
    }

    /// The cookies that the next request carries, in the order of its field.
    pub fn cookies(&self) -> impl Iterator<Item = &Cookie> {
        let now = self.now();
        let is_sent = |cookie: &&Cookie| {
            cookie.is_kept(now) && (self.is_https || !cookie.secure) && is_below(&self.path, &cookie.path)
        };
        let mut sent: Vec<&Cookie> = self.cookies.iter().filter(is_sent).collect();
        // RFC 6265bis, section 5.8.3: longer paths first, then the oldest first.
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        sent.into_iter()
    }

    /// The first cookie of this name that the next request carries.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&Cookie> {
        self.cookies().find(|cookie| cookie.name == name)
    }

    /// The value of the first cookie of this name that the next request carries.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.cookie(name).map(|cookie| cookie.value.as_str())
    }

    /// The `Cookie` field of the next request; empty without cookies, which servers read as none.
    #[must_use]
    pub fn cookie_field(&self) -> String {
        let pair = |cookie: &Cookie| match cookie.name.as_str() {
            "" => cookie.value.clone(),
            name => format!("{name}={}", cookie.value),
        };
        self.cookies().map(pair).collect::<Vec<_>>().join("; ")
    }

    /// The same for [`Sessions::load`](crate::Sessions::load).
    #[must_use]
    pub fn fields(&self) -> RequestFields {
        RequestFields::from_cookies([self.cookie_field()])
    }

    fn forget_expired(&mut self) {
        let now = self.now();
        self.cookies.retain(|cookie| cookie.is_kept(now));
    }

    fn check(&self, cookie: &Cookie, has_path: bool) -> Result<(), String> {
        let size = cookie.name.len() + cookie.value.len();
        let prefixed = if cookie.name.is_empty() {
            &cookie.value
        } else {
            &cookie.name
        };
        let starts = |prefix: &str| {
            let start = prefixed.get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let is_host = starts("__Host-");
        let is_http = starts("__Http-") || starts("__Host-Http-");
        let is_prefixed = is_host || is_http || starts("__Secure-");
        let hides = |other: &&Cookie| {
            other.secure
                && other.name == cookie.name
                && is_below(&cookie.path, &other.path)
                && other.is_kept(self.now())
        };
        let problem = match () {
            () if size == 0 => "it has neither a name nor a value",
            () if size > LARGEST => return Err(format!("name and value take {size} bytes of at most {LARGEST}")),
            () if is_prefixed && cookie.name.is_empty() => {
                "it has no name and a value that begins like a protected name"
            }
            () if is_prefixed && !cookie.secure => "its prefix asks for `Secure`",
            () if is_host && cookie.domain.is_some() => "its prefix asks for a line without `Domain`",
            () if is_host && !(has_path && cookie.path == "/") => "its prefix asks for `Path=/`",
            () if is_http && !cookie.http_only => "its prefix asks for `HttpOnly`",
            () if cookie.same_site == Some(SameSite::None) && !cookie.secure => "`SameSite=None` asks for `Secure`",
            () if cookie.partitioned && !cookie.secure => "`Partitioned` asks for `Secure`",
            () if cookie.secure && !self.is_https => "it is `Secure` and came over plain http",
            () if !self.is_https && self.cookies.iter().any(|other| hides(&other)) => {
                "it came over plain http and would hide a `Secure` cookie"
            }
            () => return Ok(()),
        };
        Err(problem.to_owned())
    }
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Refused {}

/// Name and attributes of a line.
fn without_value(line: &str) -> String {
    let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
    let name = pair.split_once('=').map_or("", |(name, _)| trim(name));
    format!("`{}=…;{attributes}`", name.escape_debug())
}

/// Whether a request to `path` carries a cookie of `cookie_path` (section 5.1.4).
fn is_below(path: &str, cookie_path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || cookie_path.ends_with('/'))
}

#[cfg(test)]
mod tests;
