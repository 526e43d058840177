//! A cookie as a browser reads it from a `Set-Cookie` line.

use std::fmt;
use std::ops::RangeInclusive;

use time::{Date, Month, OffsetDateTime};

use crate::headers::cookie::SameSite;
use crate::time::{LONGEST_LIFE, from_seconds, to_seconds};

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
    /// Whether the cookie belongs to one embedding site (CHIPS).
    pub partitioned: bool,
}

impl Cookie {
    pub(super) fn new(name: &str, path: &str) -> Self {
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

    /// The cookie of a `Set-Cookie` line that came with the page at `visited`, and whether the line has a `Path` (RFC
    /// 6265bis, sections 5.6 and 5.7). The error says what to change.
    pub(super) fn parse(line: &str, visited: &str, now: u64) -> Result<(Self, bool), String> {
        if line.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err("it has control characters; remove them".into());
        }
        let mut parts = line.split(';');
        let pair = parts.next().unwrap_or_default();
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        let default_path = match visited.rsplit_once('/') {
            Some((folder, _)) if folder.starts_with('/') => folder,
            _ => "/",
        };
        let mut cookie = Self {
            value: trim(value).to_owned(),
            ..Self::new(trim(name), default_path)
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
        let until = max_age.map(|seconds| now.saturating_add(seconds)).or(expires);
        cookie.expires = until.map(|until| from_seconds(until.min(now.saturating_add(LONGEST_LIFE))));
        Ok((cookie, has_path))
    }

    /// Whether one of these cookies replaces the other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.name, &self.domain, &self.path, self.partitioned)
            == (&other.name, &other.domain, &other.path, other.partitioned)
    }

    pub(super) fn is_kept(&self, now: OffsetDateTime) -> bool {
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

/// Most bytes of an attribute's value.
const LONGEST_ATTRIBUTE: usize = 1024;

pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn parse_same_site(value: &str) -> Option<SameSite> {
    match value.to_ascii_lowercase().as_str() {
        "strict" => Some(SameSite::Strict),
        "lax" => Some(SameSite::Lax),
        "none" => Some(SameSite::None),
        _ => None,
    }
}

/// Seconds; 0 removes the cookie, and so does every negative number (section 5.6.2).
fn parse_max_age(value: &str) -> Option<u64> {
    let (is_negative, digits) = value.strip_prefix('-').map_or((false, value), |digits| (true, digits));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Only digits: a number that does not fit is too large.
    let seconds = digits.parse().unwrap_or(u64::MAX);
    Some(if is_negative { 0 } else { seconds })
}

/// Seconds since 1970, 0 for earlier dates (section 5.1.1, which reads almost any order).
pub(super) fn parse_date(text: &str) -> Option<u64> {
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
    let time = date.with_hms(hour, minute, second).ok()?.assume_utc();
    (year >= 1601).then(|| to_seconds(time))
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

/// The number that a token begins with, if it has this many digits.
fn digits(token: &str, count: RangeInclusive<usize>) -> Option<u16> {
    let length = token.bytes().take_while(u8::is_ascii_digit).count();
    count.contains(&length).then(|| token[..length].parse().ok())?
}
