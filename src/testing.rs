//! Feature `testing`: a browser for an application's own tests.
//!
//! [`Browser`] keeps the cookies of responses as browsers do and writes the `Cookie` field of the next request. It brings
//! a clock that the test moves. A session and its cookies then expire together, and no test waits.
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
//! // She signs in. The handlers of an application stand here; with axum or actix, `ada.cookie_field()` goes into the request.
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

use std::error::Error;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::{Date, Month, OffsetDateTime};

use crate::headers::cookie::{LARGEST, SameSite};
use crate::headers::{RequestFields, ResponseHeaders};
use crate::time::{LONGEST_LIFE, from_seconds, now, to_seconds};

/// A browser that visits one host, over https, with a clock that stands still until the test moves it.
///
/// It follows RFC 6265bis: name prefixes, `Secure`, `Max-Age`, `Expires`, `Path` and the limits of one cookie. What a browser drops
/// without a word makes [`receive`](Self::receive) panic, so that a test fails where the cookie is lost.
///
/// It knows neither its host nor other sites: it believes every `Domain`, and keeps `SameSite` without a use for it.
///
/// A clone has the same cookies and the same clock from then on: a thief with a copy, or a second tab.
///
/// # Examples
///
/// What a sibling subdomain plants is sent beside the host's own cookie, and cannot be a `__Host-` cookie:
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
    /// Since 1970.
    clock: Arc<Mutex<Duration>>,
    is_https: bool,
    path: String,
    /// The oldest first.
    cookies: Vec<Cookie>,
}

/// A cookie as the browser keeps it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cookie {
    /// The name; empty for a line without `=`.
    pub name: String,
    /// The value, quotes included.
    pub value: String,
    /// Requests to this path and below it carry the cookie.
    pub path: String,
    /// `Domain` in lower case; `None` if only the host itself gets the cookie.
    pub domain: Option<String>,
    /// When the cookie expires; `None` if it goes when the browser is closed.
    pub expires: Option<OffsetDateTime>,
    /// Whether only https carries it.
    pub secure: bool,
    /// Whether scripts cannot read it.
    pub http_only: bool,
    /// `SameSite`; `None` if the line has none.
    pub same_site: Option<SameSite>,
    /// Whether it belongs to one embedding site (CHIPS).
    pub partitioned: bool,
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

    /// A browser without cookies. Its clock shows this instant, in seconds since 1970.
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

    /// What the clock shows, in whole seconds.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.clock()()
    }

    /// Lets time pass, for everybody who shares the clock.
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
    /// If a browser would drop the line: it then keeps what it had.
    pub fn set_cookie(&mut self, line: &str) -> Result<(), Refused> {
        let refuse = |why: String| Refused(format!("a browser refuses the cookie {}: {why}", without_value(line)));
        let cookie = self.parse(line).map_err(refuse)?;
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
    /// A cookie that is there keeps its attributes. A new one goes to every path of this host until the browser is closed.
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

    /// Its value.
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

    /// RFC 6265bis, sections 5.6 and 5.7; the error says what to change.
    fn parse(&self, line: &str) -> Result<Cookie, String> {
        if line.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err("it has control characters; remove them".into());
        }
        let mut parts = line.split(';');
        let pair = parts.next().unwrap_or_default();
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        let default_path = match self.path.rsplit_once('/') {
            Some((folder, _)) if folder.starts_with('/') => folder,
            _ => "/",
        };
        let mut cookie = Cookie {
            value: trim(value).to_owned(),
            ..Cookie::new(trim(name), default_path)
        };
        let (mut max_age, mut expires, mut has_path) = (None, None, false);
        for part in parts {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            let value = trim(value);
            if value.len() > LONGEST_ATTRIBUTE {
                continue;
            }
            match trim(attribute).to_ascii_lowercase().as_str() {
                "expires" => expires = parse_date(value).or(expires),
                "max-age" => max_age = parse_max_age(value).or(max_age),
                "domain" => {
                    let domain = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase();
                    cookie.domain = (!domain.is_empty()).then_some(domain);
                }
                "path" => {
                    has_path = true;
                    let path = if value.starts_with('/') { value } else { default_path };
                    path.clone_into(&mut cookie.path);
                }
                "secure" => cookie.secure = true,
                "httponly" => cookie.http_only = true,
                "samesite" => cookie.same_site = parse_same_site(value),
                "partitioned" => cookie.partitioned = true,
                _ => {}
            }
        }
        let now = to_seconds(self.now());
        let until = max_age.map(|seconds| now.saturating_add(seconds)).or(expires);
        cookie.expires = until.map(|until| from_seconds(until.min(now.saturating_add(LONGEST_LIFE))));
        match self.problem(&cookie, has_path) {
            Some(problem) => Err(problem),
            None => Ok(cookie),
        }
    }

    fn problem(&self, cookie: &Cookie, has_path: bool) -> Option<String> {
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
            () if size > LARGEST => return Some(format!("name and value take {size} bytes of at most {LARGEST}")),
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
            () => return None,
        };
        Some(problem.to_owned())
    }
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}

impl Cookie {
    fn new(name: &str, path: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: String::new(),
            path: path.to_owned(),
            domain: None,
            expires: None,
            secure: false,
            http_only: false,
            same_site: None,
            partitioned: false,
        }
    }

    /// Whether one replaces the other.
    fn is_same(&self, other: &Self) -> bool {
        (&self.name, &self.domain, &self.path, self.partitioned)
            == (&other.name, &other.domain, &other.path, other.partitioned)
    }

    fn is_kept(&self, now: OffsetDateTime) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

impl fmt::Debug for Cookie {
    /// Without the value: it may be a session.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookie")
            .field("name", &self.name)
            .field("path", &self.path)
            .field("domain", &self.domain)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Refused {}

/// Most bytes of an attribute's value.
const LONGEST_ATTRIBUTE: usize = 1024;

/// Name and attributes of a line.
fn without_value(line: &str) -> String {
    let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
    let name = pair.split_once('=').map_or("", |(name, _)| trim(name));
    format!("`{}=…;{attributes}`", name.escape_debug())
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Whether a request to `path` carries a cookie of `cookie_path` (section 5.1.4).
fn is_below(path: &str, cookie_path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || cookie_path.ends_with('/'))
}

fn parse_same_site(value: &str) -> Option<SameSite> {
    match value.to_ascii_lowercase().as_str() {
        "strict" => Some(SameSite::Strict),
        "lax" => Some(SameSite::Lax),
        "none" => Some(SameSite::None),
        _ => None,
    }
}

/// Seconds; 0 removes the cookie, as all that is negative does (section 5.6.2).
fn parse_max_age(value: &str) -> Option<u64> {
    let (is_negative, digits) = value.strip_prefix('-').map_or((false, value), |digits| (true, digits));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Digits alone: what does not fit is too large.
    let seconds = digits.parse().unwrap_or(u64::MAX);
    Some(if is_negative { 0 } else { seconds })
}

/// Seconds since 1970, 0 for earlier dates (section 5.1.1, which reads almost any order).
fn parse_date(text: &str) -> Option<u64> {
    let is_delimiter = |c: char| matches!(c, '\t' | ' '..='/' | ';'..='@' | '['..='`' | '{'..='~');
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(is_delimiter) {
        if time.is_none()
            && let Some(found) = parse_time(token)
        {
            time = Some(found);
        } else if day.is_none()
            && let Some(found) = digits(token, 1..=2)
        {
            day = Some(found);
        } else if month.is_none()
            && let Some(found) = parse_month(token)
        {
            month = Some(found);
        } else if year.is_none()
            && let Some(found) = digits(token, 2..=4)
        {
            year = Some(found);
        }
    }
    let year = match year? {
        year @ 70..=99 => 1900 + year,
        year @ 0..=69 => 2000 + year,
        year => year,
    };
    let (hour, minute, second) = time?;
    let date = Date::from_calendar_date(year.into(), month?, u8::try_from(day?).ok()?).ok()?;
    let instant = date.with_hms(hour, minute, second).ok()?.assume_utc();
    (year >= 1601).then(|| to_seconds(instant))
}

fn parse_time(token: &str) -> Option<(u8, u8, u8)> {
    let mut parts = token.splitn(3, ':');
    let mut field = |is_last: bool| {
        let part = parts.next()?;
        let number = digits(part, 1..=2)?;
        let is_whole = part.bytes().all(|byte| byte.is_ascii_digit());
        (is_last || is_whole).then(|| u8::try_from(number).ok())?
    };
    Some((field(false)?, field(false)?, field(true)?))
}

fn parse_month(token: &str) -> Option<Month> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let start = token.get(..3)?.to_ascii_lowercase();
    let number = (1..).zip(MONTHS).find(|(_, month)| *month == start);
    Month::try_from(number?.0).ok()
}

/// The number that a token begins with, if it has so many digits.
fn digits(token: &str, count: RangeInclusive<usize>) -> Option<u16> {
    let length = token.bytes().take_while(u8::is_ascii_digit).count();
    count.contains(&length).then(|| token[..length].parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_800_000_000;
    const DAY: u64 = 86_400;

    /// A browser that got these lines.
    #[track_caller]
    fn with(lines: &[&str]) -> Browser {
        let mut browser = Browser::at(START);
        browser.receive(&headers(lines));
        browser
    }

    fn headers(lines: &[&str]) -> Vec<(String, String)> {
        let field = |line: &&str| ("set-cookie".to_owned(), (*line).to_owned());
        lines.iter().map(field).collect()
    }

    #[track_caller]
    fn sends(lines: &[&str], field: &str) {
        assert_eq!(with(lines).cookie_field(), field, "{lines:?}");
    }

    #[track_caller]
    fn refuses(line: &str, why: &str) {
        let mut browser = with(&["kept=1"]);
        let refused = browser.set_cookie(line).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
        assert_eq!(browser.cookie_field(), "kept=1");
    }

    /// Seconds after the start at which the cookie of this line expires.
    #[track_caller]
    fn expires_after(line: &str) -> Option<i64> {
        let browser = with(&[line]);
        let expires = browser.cookie("a").expect("it is kept").expires?;
        Some((expires - browser.now()).whole_seconds())
    }

    #[test]
    fn only_cookie_lines_of_a_response_are_read() {
        let mut browser = Browser::at(START);
        browser.receive(&vec![
            ("Set-Cookie".to_owned(), "a=1; Path=/".to_owned()),
            ("X-Set-Cookie".to_owned(), "b=2".to_owned()),
            ("SET-COOKIE".to_owned(), "c=3".to_owned()),
        ]);
        assert_eq!(browser.cookie_field(), "a=1; c=3");
        assert_eq!(Browser::new().cookie_field(), "");
        assert_eq!(browser.fields().cookies("c").collect::<Vec<_>>(), [b"3"]);
    }

    #[test]
    fn a_pair_is_trimmed_and_kept_as_it_is() {
        sends(&["\t a = b=c \t; Path=/"], "a=b=c");
        sends(&["a=\"b c\""], "a=\"b c\"");
        sends(&["a="], "a=");
        sends(&["a=\u{fc}"], "a=\u{fc}");
        sends(&["lonely"], "lonely");
        sends(&["=lonely; Secure"], "lonely");
    }

    #[test]
    fn attributes_are_read_in_any_case_and_the_last_of_a_kind_counts() {
        let browser =
            with(&["a=1 ;SECURE; httponly ; sameSITE=strict;SameSite=LAX; Domain=.A.Example; partitioned=; x=y"]);
        let cookie = browser.cookie("a").unwrap();
        assert!(cookie.secure && cookie.http_only && cookie.partitioned);
        assert_eq!(
            (cookie.same_site, cookie.domain.as_deref()),
            (Some(SameSite::Lax), Some("a.example"))
        );
        let browser = with(&["a=1; SameSite=Strict; SameSite=other; Domain=a; Domain="]);
        let cookie = browser.cookie("a").unwrap();
        assert!(!cookie.secure && !cookie.http_only && !cookie.partitioned);
        assert_eq!(
            (cookie.same_site, cookie.domain.as_deref(), cookie.expires),
            (None, None, None)
        );
    }

    #[test]
    fn prefixes_are_held_to_in_any_case() {
        for kept in [
            "__Host-a=1; Path=/; Secure",
            "__host-a=1; Secure; Path=/; Domain=",
            "__Secure-a=1; Secure; Domain=a.example; Path=/",
            "__Http-a=1; Secure; HttpOnly; Path=/",
            "__Host-Http-a=1; Path=/; Secure; HttpOnly",
            "__Hosta=1",
        ] {
            let pair = kept.split(';').next().unwrap();
            sends(&[kept], pair);
        }
        refuses("__Host-a=1; Path=/", "asks for `Secure`");
        refuses("__HOST-a=1; Path=/", "asks for `Secure`");
        refuses("__secure-a=1", "asks for `Secure`");
        refuses("__Http-a=1; HttpOnly", "asks for `Secure`");
        refuses("__Host-a=1; Secure", "asks for `Path=/`");
        refuses("__host-a=1; Secure; Path=/b", "asks for `Path=/`");
        refuses("__Host-a=1; Secure; Path=/; Domain=a.example", "without `Domain`");
        refuses("__http-a=1; Secure", "asks for `HttpOnly`");
        refuses("__Host-HTTP-a=1; Secure; Path=/", "asks for `HttpOnly`");
        refuses("__Host-a; Secure; Path=/", "no name");
        refuses("=__secure-a=1; Secure", "no name");
        // A removal is held to the same: many sign-outs fail here.
        refuses("__Host-kept=; Path=/; Max-Age=0", "asks for `Secure`");
    }

    #[test]
    fn what_asks_for_secure_is_refused_without_it() {
        refuses("a=1; SameSite=None", "`SameSite=None` asks");
        refuses("a=1; Partitioned", "`Partitioned` asks");
        sends(&["a=1; SameSite=None; Secure", "b=2; Partitioned; Secure"], "a=1; b=2");
    }

    #[test]
    fn secure_cookies_stay_on_https() {
        let mut https = with(&["a=1; Secure", "b=2"]);
        let mut http = https.clone().over_http();
        assert_eq!(
            (https.cookie_field().as_str(), http.cookie_field().as_str()),
            ("a=1; b=2", "b=2")
        );
        let refused = http.set_cookie("c=3; Secure").unwrap_err().to_string();
        assert!(refused.contains("plain http"), "{refused}");
        let refused = http.set_cookie("a=forged").unwrap_err().to_string();
        assert!(refused.contains("hide"), "{refused}");
        http.set_cookie("b=3").unwrap();
        assert_eq!(http.value("b"), Some("3"));
        let mut below = with(&["a=1; Secure; Path=/d", "b=2; Secure; Max-Age=60"]).over_http();
        below.set_cookie("a=2; Path=/").unwrap();
        assert!(below.set_cookie("a=3; Path=/d/e").is_err() && below.set_cookie("b=3").is_err());
        below.pass(Duration::from_secs(60));
        below.set_cookie("b=3").unwrap();
        https.set_cookie("a=2").unwrap();
        assert_eq!(https.over_http().value("a"), Some("2"));
    }

    #[test]
    fn names_and_values_above_4096_bytes_are_refused() {
        let largest = format!("a={}", "x".repeat(4095));
        sends(&[&format!("{largest}; Path=/; Secure")], &largest);
        refuses(&format!("{largest}x"), "4097 bytes of at most 4096");
    }

    #[test]
    fn control_characters_and_nothing_at_all_are_refused() {
        refuses("a=1\r\nX: y", "control characters");
        refuses("a=1; Path=/\u{7f}", "control characters");
        for nothing in ["", "=", " = ; Path=/"] {
            refuses(nothing, "neither a name nor a value");
        }
    }

    #[test]
    fn a_refusal_shows_name_and_attributes_and_no_value() {
        let refused = Browser::new()
            .set_cookie("__Host-id=s3cret; HttpOnly")
            .unwrap_err()
            .to_string();
        assert_eq!(
            refused,
            "a browser refuses the cookie `__Host-id=…; HttpOnly`: its prefix asks for `Secure`"
        );
        assert!(!format!("{:?}", with(&["a=s3cret"])).contains("s3cret"));
        assert!(
            !Browser::new()
                .set_cookie("__Host-s3cret")
                .unwrap_err()
                .to_string()
                .contains("s3cret")
        );
    }

    #[test]
    #[should_panic = "a browser refuses the cookie `__Host-id=…; Secure`: its prefix asks for `Path=/`"]
    fn a_response_with_a_cookie_that_is_refused_fails_the_test() {
        with(&["a=1", "__Host-id=1; Secure"]);
    }

    #[test]
    fn attributes_above_1024_bytes_are_ignored() {
        let long = "x".repeat(1024);
        let browser = with(&[
            &format!("a=1; Path=/; Path=/{long}; Domain={long}x"),
            &format!("b=1; Domain={long}"),
        ]);
        assert_eq!(
            browser.cookie("a").map(|cookie| (cookie.path.as_str(), &cookie.domain)),
            Some(("/", &None))
        );
        assert_eq!(
            browser.cookie("b").and_then(|cookie| cookie.domain.as_ref()),
            Some(&long)
        );
        refuses(&format!("__Host-a=1; Secure; Path=/{long}"), "asks for `Path=/`");
    }

    #[test]
    fn max_age_counts_from_the_clock() {
        assert_eq!(expires_after("a=1"), None);
        assert_eq!(expires_after("a=1; Max-Age=60"), Some(60));
        assert_eq!(expires_after("a=1; Max-Age=060"), Some(60));
        assert_eq!(expires_after("a=1; Max-Age=60; Max-Age=soon; Max-Age="), Some(60));
        for ignored in ["", "x", "+60", "6 0", "1.5", "-"] {
            assert_eq!(expires_after(&format!("a=1; Max-Age={ignored}")), None, "{ignored}");
        }
        let browser = with(&["a=1; Max-Age=60", "b=2"]);
        browser.pass(Duration::from_millis(59_999));
        assert_eq!(browser.cookie_field(), "a=1; b=2");
        browser.pass(Duration::from_millis(1));
        assert_eq!((browser.cookie_field().as_str(), browser.value("a")), ("b=2", None));
    }

    #[test]
    fn max_age_wins_over_expires_and_neither_goes_beyond_400_days() {
        let longest = i64::try_from(400 * DAY).unwrap();
        assert_eq!(
            expires_after("a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
            Some(60)
        );
        assert_eq!(
            expires_after("a=1; Expires=Fri, 15 Jan 2027 08:01:00 GMT; Expires=soon"),
            Some(60)
        );
        for line in [
            "a=1; Max-Age=34560001",
            "a=1; Max-Age=99999999999999999999999999",
            "a=1; Expires=Fri, 31 Dec 9999 23:59:59 GMT",
        ] {
            assert_eq!(expires_after(line), Some(longest), "{line}");
        }
    }

    #[test]
    fn a_cookie_is_removed_by_a_line_in_the_past() {
        for removal in [
            "a=; Max-Age=0",
            "a=2; Max-Age=-1",
            "a=; Max-Age=-99999999999999999999",
            "a=; Max-Age=0; Expires=Fri, 31 Dec 9999 23:59:59 GMT",
            "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "a=; Expires=Mon, 01 Jan 1601 00:00:00 GMT",
            "a=; Expires=Fri, 15 Jan 2027 08:00:00 GMT",
        ] {
            sends(&["a=1; Max-Age=60", "b=2", removal], "b=2");
        }
        assert_eq!(Browser::at(0).tap("a=1; Max-Age=0"), "");
        assert_eq!(Browser::at(u64::MAX).tap("a=1; Max-Age=60"), "");
    }

    impl Browser {
        fn tap(mut self, line: &str) -> String {
            self.set_cookie(line).unwrap();
            self.cookie_field()
        }
    }

    #[test]
    fn a_cookie_is_replaced_in_its_place_and_another_path_or_domain_is_another_cookie() {
        sends(&["a=1", "b=2", "a=3; Path=/"], "a=3; b=2");
        sends(&["a=1", "b=2", "a=; Max-Age=0", "a=3"], "b=2; a=3");
        sends(&["a=1; Max-Age=60", "a=2; Domain=a.example", "A=3"], "a=1; a=2; A=3");
        sends(&["a=1; Domain=A.example", "a=2; Domain=.a.EXAMPLE"], "a=2");
        sends(&["a=1; Secure", "a=2; Secure; Partitioned"], "a=1; a=2");
        // Removals of another cookie than the one that is there.
        sends(&["a=1; Domain=a.example", "a=; Max-Age=0"], "a=1");
        sends(&["a=1", "a=; Max-Age=0; Path=/b"], "a=1");
        sends(&["a=1; Secure; Partitioned", "a=; Max-Age=0; Secure"], "a=1");
        let mut browser = with(&["a=1; Max-Age=60"]);
        browser.set_cookie("a=2").unwrap();
        browser.pass(Duration::from_secs(61));
        assert_eq!(browser.value("a"), Some("2"), "the new line has no Max-Age");
    }

    #[test]
    fn a_path_binds_a_cookie_to_what_lies_below_it() {
        let mut browser = with(&[
            "a=1; Path=/",
            "b=2; Path=/b",
            "c=3; Path=/b/",
            "d=4; Path=b",
            "e=5; Path=",
        ]);
        for (path, field) in [
            ("/", "a=1; d=4; e=5"),
            ("/b", "b=2; a=1; d=4; e=5"),
            ("/b?/c", "b=2; a=1; d=4; e=5"),
            ("/b/c", "c=3; b=2; a=1; d=4; e=5"),
            ("/bc", "a=1; d=4; e=5"),
            ("/c/b", "a=1; d=4; e=5"),
        ] {
            browser.visit(path);
            assert_eq!(browser.cookie_field(), field, "{path}");
        }
        assert_eq!(browser.cookie("b"), None);
    }

    #[test]
    fn without_a_path_a_cookie_is_of_the_folder_of_its_page() {
        for (page, path) in [
            ("/", "/"),
            ("/a", "/"),
            ("/a/", "/a"),
            ("/a/b?c=/d/e", "/a"),
            ("/a/b/c#d/e", "/a/b"),
            ("", "/"),
        ] {
            let mut browser = Browser::at(START);
            browser.visit(page);
            browser.set_cookie("a=1").unwrap();
            assert_eq!(browser.cookies[0].path, path, "{page}");
        }
        let mut browser = Browser::at(START);
        browser.visit("/a/b");
        browser.set_cookie("__Host-a=1; Secure; Path=/").unwrap();
        assert!(browser.set_cookie("__Host-b=1; Secure; Path=").is_err());
    }

    #[test]
    fn a_restart_ends_what_has_no_end_of_its_own() {
        let mut browser = with(&["a=1", "b=2; Max-Age=60", "c=3; Expires=Fri, 31 Dec 2027 00:00:00 GMT"]);
        browser.restart();
        assert_eq!(browser.cookie_field(), "b=2; c=3");
    }

    #[test]
    fn values_are_changed_by_hand_and_cookies_forgotten() {
        let mut browser = with(&["a=1; Max-Age=60; HttpOnly", "b=2"]);
        browser.put("a=stolen=odd;odd; __Host-c= ");
        assert_eq!(browser.cookie_field(), "a=stolen=odd; b=2; odd; __Host-c=");
        assert!(browser.cookie("a").unwrap().http_only);
        browser.restart();
        browser.put("");
        assert_eq!(browser.cookie_field(), "a=stolen=odd");
        browser.pass(Duration::from_secs(60));
        browser.put("a=stolen");
        assert_eq!(browser.cookie_field(), "a=stolen", "as new");
        browser.remove("a");
        assert_eq!(browser.cookie_field(), "");
    }

    #[test]
    fn clones_and_other_visitors_share_the_clock_alone() {
        let mut ada = with(&["a=1; Max-Age=60"]);
        let mut thief = ada.clone();
        let bob = ada.another();
        ada.set_cookie("a=2; Max-Age=60").unwrap();
        thief.put("b=3");
        assert_eq!([&ada, &thief, &bob].map(Browser::cookie_field), ["a=2", "a=1; b=3", ""]);
        let clock = ada.clock();
        bob.pass(Duration::from_secs(60));
        assert_eq!(thief.cookie_field(), "b=3");
        assert_eq!((clock(), clock().unix_timestamp()), (ada.now(), 1_800_000_060));
        bob.pass(Duration::MAX);
        assert_eq!(clock().year(), 9999);
    }

    #[test]
    fn dates_are_read_as_browsers_do() {
        let new_year = 1_830_297_599;
        for (text, seconds) in [
            ("Fri, 31 Dec 2027 23:59:59 GMT", new_year),
            ("Friday, 31-Dec-27 23:59:59 GMT", new_year),
            ("Fri Dec 31 23:59:59 2027", new_year),
            ("2027 december 31st 23:59:59.5+02:00", new_year),
            ("31 dec 2027 23:59:59 1999 01:02:03 30 jan", new_year),
            ("1 Jan 70 0:0:1", 1),
            ("1 Jan 69 0:0:0", 3_124_224_000),
            ("1 Jan 1969 0:0:0", 0),
            ("1 Jan 1601 0:0:0", 0),
            ("29 Feb 2028 0:0:0", 1_835_395_200),
        ] {
            assert_eq!(parse_date(text), Some(seconds), "{text}");
        }
        for text in [
            "",
            "tomorrow",
            "31 Dec 2027",
            "Dec 2027 23:59:59",
            "31 2027 23:59:59",
            "31 Dec 23:59:59",
            "31 Dec 2027 23:59",
            "31 Dec 2027 24:00:00",
            "31 Dec 2027 23:60:00",
            "31 Dec 2027 23:59:60",
            "31 Dec 2027 023:59:59",
            "31 Dec 2027 23x:59:59",
            "32 Dec 2027 23:59:59",
            "0 Dec 2027 23:59:59",
            "29 Feb 2027 23:59:59",
            "31 Dec 1600 23:59:59",
            "31 Dec 20270 23:59:59",
            "31 De\u{fc} 2027 23:59:59",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
