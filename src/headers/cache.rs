//! The fields that caches read: merging `Cache-Control` and `Vary`, and recognising the fields that override them.

use std::collections::HashSet;
use std::iter;

use crate::headers::cookie::{is_token, trim};

/// The result of [`merge_private`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    /// The one value that replaces all lines.
    pub(crate) value: String,
    /// Whether the application had said `public`, which is worth an event.
    pub(crate) removed_public: bool,
}

/// Merges all `Cache-Control` lines into one value that starts with `private`.
///
/// Directives that let shared caches store, and everything malformed, are dropped. The others stay in order. If there
/// is no well-formed directive, the value is `private, no-cache`.
pub(crate) fn merge_private<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Merged {
    let mut value = String::from("private");
    let mut removed_public = false;
    let mut any = false;
    for directive in lines.into_iter().flat_map(members).filter_map(Directive::parse) {
        any = true;
        removed_public |= directive.is("public");
        if !SHARED.iter().any(|name| directive.is(name)) {
            value.push_str(", ");
            value.push_str(directive.text);
        }
    }
    if !any {
        value.push_str(", no-cache");
    }
    Merged { value, removed_public }
}

/// Merges all `Vary` lines into one that contains `field`; `None` if there is already such a line and no other.
///
/// It must be one line, because nginx 1.22 keeps only the last.
pub(crate) fn merge_vary<'a>(lines: impl IntoIterator<Item = &'a [u8]>, field: &str) -> Option<String> {
    let mut count = 0;
    let mut right = false;
    let mut star = field == "*";
    let mut seen = HashSet::new();
    let mut value = String::new();
    let mut push = |member: &str| {
        // The set keeps this linear. A nested search over a long line would not be.
        if seen.insert(member.to_ascii_lowercase()) {
            if !value.is_empty() {
                value.push_str(", ");
            }
            value.push_str(member);
        }
    };
    for line in lines {
        count += 1;
        right = trim(line) == b"*";
        for member in line
            .split(|&byte| byte == b',')
            .filter_map(|member| token(trim(member)))
        {
            right |= member.eq_ignore_ascii_case(field);
            star |= member == "*";
            push(member);
        }
    }
    if count == 1 && right {
        return None;
    }
    if star {
        return Some(String::from("*"));
    }
    push(field);
    Some(value)
}

/// Whether a cache or CDN obeys the field called `name` instead of `Cache-Control`.
pub(crate) fn is_targeted(name: &str) -> bool {
    TARGETED.iter().any(|known| name.eq_ignore_ascii_case(known))
        || name
            .as_bytes()
            .last_chunk()
            .is_some_and(|end: &[u8; SUFFIX.len()]| end.eq_ignore_ascii_case(SUFFIX))
}

/// Whether every line of the targeted field called `name` forbids storing by itself.
///
/// In doubt the answer is no, and the field is removed: then `Cache-Control: private` counts. Every directive that is
/// not known to be harmless is a doubt. Examples: a `max-age` above zero, with which one CDN serves `no-store` from its
/// cache; `must-understand`, which suspends `no-store` (RFC 9111, section 5.2.2.3); `!no-store`; the same directive
/// again with an argument.
pub(crate) fn forbids_storing<'a>(name: &str, lines: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let accel = name.eq_ignore_ascii_case(ACCEL);
    let knows_private = !WITHOUT_PRIVATE.iter().any(|other| name.eq_ignore_ascii_case(other));
    let forbids = |line: &[u8]| {
        if accel {
            line == b"0"
        } else {
            line_forbids(line, knows_private)
        }
    };
    lines.into_iter().all(forbids)
}

fn line_forbids(line: &[u8], knows_private: bool) -> bool {
    let mut forbids = false;
    for member in members(line).filter(|member| !member.is_empty()) {
        // A cache that follows RFC 9213 ignores the whole line if one member is malformed. Another cache may find a
        // `max-age` above zero in it.
        let Some(directive) = Directive::parse(member) else {
            return false;
        };
        let is_bare = directive.argument.is_none();
        if is_bare && (directive.is("no-store") || knows_private && directive.is("private")) {
            forbids = true;
        } else if !(is_bare && HARMLESS.iter().any(|name| directive.is(name)) || directive.is("content")) {
            return false;
        }
    }
    forbids
}

/// A well-formed cache directive.
struct Directive<'a> {
    text: &'a str,
    name: &'a str,
    argument: Option<&'a str>,
}

impl<'a> Directive<'a> {
    // cache-directive = token [ "=" ( token / quoted-string ) ]      (RFC 9111, section 5.2)
    fn parse(member: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(member).ok().filter(|text| text.is_ascii())?;
        let (name, argument) = match text.split_once('=') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let fits = |argument: &str| {
            token(argument.as_bytes()).is_some() || quoted(argument.as_bytes()) == Some(argument.len())
        };
        (token(name.as_bytes()).is_some() && argument.is_none_or(fits)).then_some(Self { text, name, argument })
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// Replaces `Cache-Control` where a session cookie is set or removed.
pub(crate) const PRIVATE_NO_STORE: &str = "private, no-store";
/// Directives that are dropped beside `private`. The qualified `private="x"` protects only the field that it names, so
/// `private` itself is dropped too and written anew at the front.
const SHARED: [&str; 6] = [
    "public",
    "private",
    "s-maxage",
    "proxy-revalidate",
    "stale-while-revalidate",
    "stale-if-error",
];
/// Makes nginx ignore `private`.
const ACCEL: &str = "X-Accel-Expires";
/// Fields that override `Cache-Control`: nginx, Varnish and Fastly, Akamai. Those of RFC 9213 end in [`SUFFIX`].
const TARGETED: [&str; 3] = [ACCEL, "Surrogate-Control", "Edge-Control"];
/// Targeted fields in which `private` forbids nothing. The first two have no such directive: Varnish, for example, does
/// not obey it there, and then does not read `Cache-Control` either. `LiteSpeed` stores a copy per visitor, and may
/// tell visitors apart only by their address.
const WITHOUT_PRIVATE: [&str; 3] = ["Surrogate-Control", "Edge-Control", "X-LiteSpeed-Cache-Control"];
/// The end of targeted fields' names: `CDN-Cache-Control`, the vendors' forms of it, and the vendors' own, such as
/// `Akamai-Cache-Control`.
const SUFFIX: &[u8; 14] = b"-Cache-Control";
/// Directives that may be beside `no-store` if they have no argument. Another one is `content`, which asks for ESI
/// processing.
const HARMLESS: [&str; 3] = ["private", "no-cache", "must-revalidate"];

/// The members of a list, split at commas outside of quoted-strings.
///
/// Only a quote after `=` opens a quoted-string, as in the grammar: a stray quote must not swallow the directives up to
/// the next quote. A quote that is never closed is skipped, so that the rest of the line is split at every comma. The
/// work is linear: if the closing quote is missing, no later `="` exists on this line, so the search is never repeated.
fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    iter::from_fn(move || {
        let line = rest?;
        let mut end = 0;
        while let Some(&byte) = line.get(end).filter(|&&byte| byte != b',') {
            let opens = byte == b'"' && line[..end].ends_with(b"=");
            let string = if opens { quoted(&line[end..]) } else { None };
            end += string.unwrap_or(1);
        }
        rest = line.get(end + 1..);
        Some(trim(&line[..end]))
    })
}

/// The length of the quoted-string with which `bytes` starts, including both quotes; `None` if there is none.
fn quoted(bytes: &[u8]) -> Option<usize> {
    // quoted-string = DQUOTE *( qdtext / "\" ( HTAB / SP / VCHAR / obs-text ) ) DQUOTE      (RFC 9110, section 5.6.4)
    let content = bytes.strip_prefix(b"\"")?;
    let mut escaped = false;
    for (index, &byte) in content.iter().enumerate() {
        match byte {
            _ if byte.is_ascii_control() && byte != b'\t' => return None,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(index + 2),
            _ => {}
        }
    }
    None
}

/// The bytes as text if they are a token.
fn token(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok().filter(|text| is_token(text))
}

#[cfg(test)]
mod tests;
