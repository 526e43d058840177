//! Cookies on the wire: reading `Cookie` fields and writing `Set-Cookie` lines.

use std::fmt::Write;
use std::iter;

use memchr::memchr;

use crate::error::ConfigError;

/// When browsers send the session cookie with requests that other sites cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// Never, not even when a visitor follows a link on another site: a visitor who comes back from an OAuth provider
    /// is signed out on the first page.
    Strict,
    /// Only with top-level navigation by a safe method. A provider that returns by `form_post` (a cross-site POST)
    /// still arrives without a session. The default.
    #[default]
    Lax,
    /// With every request, including those of embedding and attacking sites. Needs `Secure`, and your own defence
    /// against cross-site request forgery.
    None,
}

impl SameSite {
    fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

/// The attributes of a cookie, without its lifetime and `HttpOnly`, which is always written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) path: String,
    pub(crate) domain: Option<String>,
    pub(crate) secure: bool,
    pub(crate) same_site: SameSite,
    pub(crate) partitioned: bool,
}

impl Attributes {
    /// Refuses attributes that a browser would refuse, ignore or misread for a cookie called `name`.
    pub(crate) fn check(&self, name: &str) -> Result<(), ConfigError> {
        let problem = name_problem(name)
            .or_else(|| path_problem(&self.path))
            .or_else(|| self.domain.as_deref().and_then(domain_problem))
            .map(String::from)
            .or_else(|| self.prefix_problem(name))
            .or_else(|| self.secure_problem().map(String::from));
        problem.map_or(Ok(()), |problem| Err(ConfigError::new(problem)))
    }

    /// One `Set-Cookie` line. Without `max_age` (in seconds) the cookie ends with the browser session.
    ///
    /// The name was [checked](Self::check), and `value` appends base64url of about `value_length` bytes, so nothing
    /// needs escaping.
    pub(crate) fn write<E>(
        &self,
        name: &str,
        value_length: usize,
        max_age: Option<u64>,
        value: impl FnOnce(&mut String) -> Result<(), E>,
    ) -> Result<String, E> {
        let mut line = self.begin(name, value_length);
        value(&mut line)?;
        self.end(&mut line, max_age, None);
        Ok(line)
    }

    /// The same line, for a value that is there already, in parts.
    pub(crate) fn write_value(&self, name: &str, value: &[&str], max_age: Option<u64>) -> String {
        let mut line = self.begin(name, value.iter().map(|part| part.len()).sum());
        value.iter().for_each(|part| line.push_str(part));
        self.end(&mut line, max_age, None);
        line
    }

    /// The `Set-Cookie` line that makes the browser forget the cookie.
    ///
    /// Every attribute is repeated: with another path, domain or partition the line would name another cookie, and
    /// browsers refuse a `__Host-` line without `Secure`.
    pub(crate) fn write_removal(&self, name: &str) -> String {
        let mut line = self.begin(name, 0);
        self.end(&mut line, Some(0), Some(PAST));
        line
    }

    /// The attributes alone, as device binding names them to browsers.
    #[cfg(feature = "device")]
    pub(crate) fn as_text(&self) -> String {
        let mut text = String::new();
        self.end(&mut text, None, None);
        text.trim_start_matches("; ").to_owned()
    }

    /// `name=`, with room for everything that follows.
    fn begin(&self, name: &str, value_length: usize) -> String {
        let domain = self.domain.as_ref().map_or(0, String::len);
        let mut line = String::with_capacity(name.len() + value_length + self.path.len() + domain + FRAME.len());
        line.push_str(name);
        line.push('=');
        line
    }

    /// The attributes.
    fn end(&self, line: &mut String, max_age: Option<u64>, expires: Option<&str>) {
        line.push_str("; Path=");
        line.push_str(&self.path);
        if let Some(domain) = &self.domain {
            line.push_str("; Domain=");
            line.push_str(domain);
        }
        if let Some(seconds) = max_age {
            write!(line, "; Max-Age={seconds}").expect("writing to a String cannot fail");
        }
        if let Some(expires) = expires {
            line.push_str("; Expires=");
            line.push_str(expires);
        }
        if self.secure {
            line.push_str("; Secure");
        }
        line.push_str("; HttpOnly; SameSite=");
        line.push_str(self.same_site.as_str());
        if self.partitioned {
            line.push_str("; Partitioned");
        }
    }

    fn prefix_problem(&self, name: &str) -> Option<String> {
        // Browsers compare prefixes without regard to case, and most servers with regard to it. A cookie that only one
        // side takes for protected is worse than a cookie that neither does.
        let starts = |prefix: &str| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let &(prefix, host) = PREFIXES.iter().find(|(prefix, _)| starts(prefix))?;
        if !name.starts_with(prefix) {
            return Some(format!(
                "browsers read the start of the cookie name as `{prefix}`; spell it so, or choose another name"
            ));
        }
        let why = if !self.secure {
            "without Secure; switch Secure on, or drop the prefix"
        } else if host && self.path != "/" {
            "with another path than `/`; remove the path or change the prefix"
        } else if host && self.domain.is_some() {
            "with a domain; remove the domain or change the prefix"
        } else {
            return None;
        };
        Some(format!("a browser refuses a `{prefix}` cookie {why}"))
    }

    fn secure_problem(&self) -> Option<&'static str> {
        if self.secure {
            None
        } else if self.same_site == SameSite::None {
            Some("a browser refuses SameSite=None without Secure; switch Secure on, or choose Lax")
        } else if self.partitioned {
            Some("a browser refuses Partitioned without Secure; switch Secure on, or Partitioned off")
        } else {
            None
        }
    }
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            path: String::from("/"),
            domain: None,
            secure: true,
            same_site: SameSite::default(),
            partitioned: false,
        }
    }
}

/// The raw values of all cookies called `name` in one `Cookie` field, in order.
///
/// Nothing is decoded, only space and tab are trimmed, and quotes are part of the value. Servers that percent-decode
/// names or trim Unicode white space let a sibling subdomain get past the `__Host-` prefix (CVE-2020-8184, "Cookie
/// Chaos"). A bad pair does not affect the others, since any sibling subdomain can set a bad pair.
pub(crate) fn values<'a>(field: &'a [u8], name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    parts(field).filter_map(move |part| value_of(part, name))
}

/// The field split at every `;`.
fn parts(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(field);
    iter::from_fn(move || {
        let field = rest?;
        let end = memchr(b';', field);
        rest = end.map(|end| &field[end + 1..]);
        Some(&field[..end.unwrap_or(field.len())])
    })
}

/// The name in a line that [`Attributes::write`] has written.
pub(crate) fn name_of(line: &str) -> &str {
    line.split_once('=').map_or(line, |(name, _)| name)
}

/// Whether a `Set-Cookie` line sets the cookie called `name`.
pub(crate) fn sets(line: &[u8], name: &[u8]) -> bool {
    parts(line).next().is_some_and(|part| value_of(part, name).is_some())
}

/// Whether `text` is a token (RFC 9110, section 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The most bytes of name and value together. Browsers drop larger cookies silently. Attributes do not count.
pub(crate) const LARGEST: usize = 4096;
/// The most bytes of a name. A longer name would leave too little of [`LARGEST`].
const LONGEST_NAME: usize = 255;
/// The most bytes of an attribute's value. Browsers ignore an attribute with a longer value.
const LONGEST_PATH: usize = 1024;
/// The most bytes of a host name in DNS.
const LONGEST_DOMAIN: usize = 253;
/// The most bytes of a label, a part of a host name between dots.
const LONGEST_LABEL: usize = 63;
/// The name prefixes that browsers know, and whether they bind the cookie to the host. A longer prefix comes before the
/// prefix with which it starts.
const PREFIXES: [(&str, bool); 4] = [
    ("__Host-Http-", true),
    ("__Host-", true),
    ("__Secure-", false),
    ("__Http-", false),
];
/// For browsers that do not know `Max-Age`.
const PAST: &str = "Thu, 01 Jan 1970 00:00:00 GMT";
/// The longest line without name, value, path and domain. A line needs room for it besides them.
const FRAME: &str = "=; Path=; Domain=; Max-Age=18446744073709551615; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; \
                     HttpOnly; SameSite=Strict; Partitioned";

fn name_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("the cookie name is empty; give it at least one character")
    } else if name.len() > LONGEST_NAME {
        Some("the cookie name is longer than 255 bytes; shorten it")
    } else if !is_token(name) {
        Some("the cookie name is not a token; use ASCII letters, digits, `-` and `_`")
    } else {
        None
    }
}

fn path_problem(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        Some("the cookie path does not start with `/`; begin it with one")
    } else if path.len() > LONGEST_PATH {
        Some("the cookie path is longer than 1024 bytes; shorten it")
    } else if !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';') {
        // Browsers trim a space at the end, and a space inside never matches, since request paths are percent-encoded.
        Some("the cookie path has `;`, spaces, control or non-ASCII characters; percent-encode them")
    } else {
        None
    }
}

fn domain_problem(domain: &str) -> Option<&'static str> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if domain.is_empty() {
        Some("the cookie domain is empty; remove it, or name the host")
    } else if domain.len() > LONGEST_DOMAIN {
        Some("the cookie domain is longer than 253 bytes; name a shorter one")
    } else if !domain.bytes().all(known) {
        Some("the cookie domain has other characters than ASCII letters, digits, `-` and `.`; write it in punycode")
    } else if domain.split('.').any(str::is_empty) {
        Some("the cookie domain starts or ends with a dot, or has two in a row; remove the dot")
    } else if !domain.split('.').all(is_label) {
        Some("the cookie domain has a label above 63 bytes or with a hyphen at its end; write that of a host name")
    } else {
        None
    }
}

/// Whether letters, digits and hyphens may be a label of a host name in this order (RFC 1123, section 2.1).
fn is_label(label: &str) -> bool {
    label.len() <= LONGEST_LABEL && !label.starts_with('-') && !label.ends_with('-')
}

/// The value in this part of a field, if the part is a pair with this name, which is a token.
fn value_of<'a>(part: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    // Most parts are of other cookies: what follows the name is not looked at for these.
    let rest = trim_start(part).strip_prefix(name).filter(|_| !name.is_empty())?;
    Some(trim(trim_start(rest).strip_prefix(b"=")?))
}

/// Without space and tab at both ends. Other white space of Unicode stays.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let mut bytes = trim_start(bytes);
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests;
