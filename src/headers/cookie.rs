//! Cookies on the wire: scanning `Cookie` fields and writing `Set-Cookie` lines.

use std::fmt::Write;
use std::iter;

use memchr::memchr;

use crate::error::ConfigError;

/// When browsers send the session cookie along with requests that other sites cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// Never, not even when a link on another site is followed: whoever comes back from an OAuth provider is signed
    /// out on the first page.
    Strict,
    /// With top-level navigation by a safe method alone. A provider that returns by `form_post` (a cross-site POST)
    /// still arrives without a session. The default.
    #[default]
    Lax,
    /// With every request, those of embedding and attacking sites included. Needs `Secure`, and a defence against
    /// cross-site request forgery of your own.
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

/// The attributes of a cookie besides its lifetime. `HttpOnly` is not among them: it is always written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) path: String,
    pub(crate) domain: Option<String>,
    pub(crate) secure: bool,
    pub(crate) same_site: SameSite,
    pub(crate) partitioned: bool,
}

impl Attributes {
    /// Refuses what a browser would refuse, ignore or misread, with a cookie called `name`.
    pub(crate) fn check(&self, name: &str) -> Result<(), ConfigError> {
        self.problem(name)
            .map_or(Ok(()), |problem| Err(ConfigError::new(problem)))
    }

    /// One `Set-Cookie` line; without `max_age` (in seconds) the cookie ends with the browser session.
    ///
    /// The name was [checked](Self::check) and what `value` appends, of about `value_length` bytes, is base64url: nothing
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

    /// The `Set-Cookie` line that makes the browser forget the cookie.
    ///
    /// Every attribute is repeated: with another path, domain or partition it would name another cookie, and a
    /// `__Host-` line without `Secure` is itself refused.
    pub(crate) fn write_removal(&self, name: &str) -> String {
        let mut line = self.begin(name, 0);
        self.end(&mut line, Some(0), Some(PAST));
        line
    }

    /// `name=`, with room for all that follows.
    fn begin(&self, name: &str, value_length: usize) -> String {
        let mut line = String::with_capacity(self.room(name, value_length));
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

    /// Bytes that no line with this name and value exceeds.
    fn room(&self, name: &str, value_length: usize) -> usize {
        name.len() + value_length + self.path.len() + self.domain.as_ref().map_or(0, String::len) + FRAME.len()
    }

    fn problem(&self, name: &str) -> Option<String> {
        name_problem(name)
            .or_else(|| path_problem(&self.path))
            .or_else(|| self.domain.as_deref().and_then(domain_problem))
            .map(String::from)
            .or_else(|| self.prefix_problem(name))
            .or_else(|| self.secure_problem().map(String::from))
    }

    fn prefix_problem(&self, name: &str) -> Option<String> {
        // Browsers compare prefixes without regard to case, most servers with it: a cookie that only one side takes for
        // protected is worse than one that neither does.
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
        if !self.secure {
            return Some(format!(
                "a browser refuses a `{prefix}` cookie without Secure; switch Secure on, or drop the prefix"
            ));
        }
        if host && self.path != "/" {
            return Some(format!(
                "a browser refuses a `{prefix}` cookie with another path than `/`; remove the path or change the prefix"
            ));
        }
        if host && self.domain.is_some() {
            return Some(format!(
                "a browser refuses a `{prefix}` cookie with a domain; remove the domain or change the prefix"
            ));
        }
        None
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
/// Nothing is decoded, only space and tab are trimmed, quotes are part of the value. Servers that percent-decode names
/// or trim Unicode white space let a sibling subdomain get past the `__Host-` prefix (CVE-2020-8184, "Cookie Chaos").
/// A bad pair is skipped alone, since any sibling subdomain can set one.
pub(crate) fn values<'a>(field: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    pairs(field)
        .filter_map(parse_pair)
        .filter_map(move |(found, value)| (found == name).then_some(value))
}

/// The field split at every `;`.
fn pairs(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(field);
    iter::from_fn(move || {
        let field = rest?;
        let end = memchr(b';', field);
        rest = end.map(|end| &field[end + 1..]);
        Some(&field[..end.unwrap_or(field.len())])
    })
}

/// Whether a `Set-Cookie` line sets the cookie called `name`.
pub(crate) fn sets(line: &[u8], name: &[u8]) -> bool {
    pairs(line)
        .next()
        .and_then(parse_pair)
        .is_some_and(|(found, _)| found == name)
}

/// Whether `text` is a token (RFC 9110, section 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Most bytes of name plus value; browsers drop larger cookies silently. Attributes do not count.
pub(crate) const LARGEST: usize = 4096;
/// Most bytes of a name: one that is longer leaves too little of [`LARGEST`] and has no use.
const LONGEST_NAME: usize = 255;
/// Most bytes of an attribute's value; browsers ignore the attribute if it is longer.
const LONGEST_PATH: usize = 1024;
/// Most bytes of a host name in DNS.
const LONGEST_DOMAIN: usize = 253;
/// Most bytes of a label, which is what stands between the dots of a host name.
const LONGEST_LABEL: usize = 63;
/// The name prefixes that browsers know, and whether they bind the cookie to the host; a longer one stands before the
/// one it starts with.
const PREFIXES: [(&str, bool); 4] = [
    ("__Host-Http-", true),
    ("__Host-", true),
    ("__Secure-", false),
    ("__Http-", false),
];
/// For browsers that know no `Max-Age`.
const PAST: &str = "Thu, 01 Jan 1970 00:00:00 GMT";
/// The longest line around name, value, path and domain: its length is what a line needs besides them.
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
        // A space at the end is trimmed by browsers, and one within never matches: request paths are percent-encoded.
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

/// Whether letters, digits and hyphens are in an order that a label of a host name has (RFC 1123, section 2.1).
fn is_label(label: &str) -> bool {
    label.len() <= LONGEST_LABEL && !label.starts_with('-') && !label.ends_with('-')
}

/// Name and value; a part without `=` or without a name is no pair.
fn parse_pair(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = part.iter().position(|&byte| byte == b'=')?;
    let (name, value) = (trim(&part[..equals]), trim(&part[equals + 1..]));
    (!name.is_empty()).then_some((name, value))
}

/// Without space and tab at both ends; what else counts as white space in Unicode stays.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// As many bytes of cookies as hyper lets through.
    const HOSTILE: usize = 400 * 1024;

    #[track_caller]
    fn assert_values(field: impl AsRef<[u8]>, name: &str, expected: &[&str]) {
        let found: Vec<_> = values(field.as_ref(), name.as_bytes())
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect();
        assert_eq!(found, expected);
    }

    #[track_caller]
    fn assert_accepted(attributes: &Attributes, name: &str) {
        assert!(attributes.check(name).is_ok(), "{name} {attributes:?}");
    }

    #[track_caller]
    fn assert_refused(attributes: &Attributes, name: &str, why: &str) {
        let text = attributes.check(name).unwrap_err().to_string();
        assert!(text.contains(why), "{name:?}: {text}");
        assert!(
            !text.starts_with(char::is_uppercase) && !text.ends_with('.') && text.contains("; "),
            "not a lower-case sentence that says what to change: {text}"
        );
    }

    #[track_caller]
    fn assert_path_refused(path: &str, why: &str) {
        assert_refused(&with_path(path), "id", why);
    }

    #[track_caller]
    fn assert_domain_refused(domain: &str, why: &str) {
        assert_refused(&with_domain(domain), "id", why);
    }

    fn with_path(path: &str) -> Attributes {
        Attributes {
            path: path.into(),
            ..Attributes::default()
        }
    }

    fn with_domain(domain: &str) -> Attributes {
        Attributes {
            domain: Some(domain.into()),
            ..Attributes::default()
        }
    }

    fn without_secure() -> Attributes {
        Attributes {
            secure: false,
            ..Attributes::default()
        }
    }

    /// Each attribute at its longest.
    fn everything() -> Attributes {
        Attributes {
            path: "/app".into(),
            domain: Some("example.com".into()),
            secure: true,
            same_site: SameSite::Strict,
            partitioned: true,
        }
    }

    #[test]
    fn a_cookie_is_found_among_its_neighbours() {
        assert_values("__Host-id=abc", "__Host-id", &["abc"]);
        assert_values("a=1; __Host-id=abc; b=2", "__Host-id", &["abc"]);
        assert_values("a=1;__Host-id=abc;b=2", "__Host-id", &["abc"]);
        assert_values(" \t__Host-id\t =\t abc \t;b=2", "__Host-id", &["abc"]);
        assert_values("a=1; b=2", "__Host-id", &[]);
        assert_values("__Host-id=", "__Host-id", &[""]);
        assert_values("__Host-id= \t", "__Host-id", &[""]);
        assert_values("__Host-id=a=b==", "__Host-id", &["a=b=="]);
    }

    #[test]
    fn an_empty_field_has_no_cookies() {
        for field in ["", " ", "\t", ";", ";;; ;", "=", "=;="] {
            assert_values(field, "id", &[]);
            assert_values(field, "", &[]);
        }
    }

    #[test]
    fn duplicates_come_in_order() {
        assert_values("id=1; x=0; id=2; id=; id=1", "id", &["1", "2", "", "1"]);
    }

    #[test]
    fn names_that_begin_with_each_other_are_told_apart() {
        let field = "id=1; id-seen=2; i=3; idid=4; __Host-id=5";
        assert_values(field, "id", &["1"]);
        assert_values(field, "id-seen", &["2"]);
        assert_values(field, "i", &["3"]);
        assert_values(field, "__Host-id", &["5"]);
    }

    #[test]
    fn names_are_compared_with_their_case() {
        assert_values("ID=1; Id=2; __HOST-id=3; __host-id=4", "id", &[]);
        assert_values("__HOST-id=3; __host-id=4", "__Host-id", &[]);
    }

    #[test]
    fn a_disguised_name_is_not_decoded() {
        assert_values("__%48ost-id=tossed", "__Host-id", &[]);
        assert_values("%5F%5FHost-id=tossed; __Host%2Did=tossed", "__Host-id", &[]);
        assert_values("\"__Host-id\"=tossed", "__Host-id", &[]);
    }

    #[test]
    fn only_space_and_tab_are_trimmed() {
        for space in [
            "\u{2000}", "\u{a0}", "\u{85}", "\u{3000}", "\u{feff}", "\x0b", "\x0c", "\r", "\n", "\0",
        ] {
            assert_values(format!("a=1; {space}__Host-id=tossed"), "__Host-id", &[]);
            assert_values(format!("__Host-id{space}=tossed"), "__Host-id", &[]);
            let value = format!("{space}abc{space}");
            assert_values(format!("__Host-id={value}"), "__Host-id", &[&value]);
        }
        assert_values(b"\xa0id=tossed; \x85id=tossed", "id", &[]);
    }

    #[test]
    fn quotes_belong_to_the_value_and_do_not_hide_a_semicolon() {
        assert_values("id=\"abc\"", "id", &["\"abc\""]);
        assert_values("a=\"x; id=abc; y\"", "id", &["abc"]);
        assert_values("id=\"abc; b=2\"", "id", &["\"abc"]);
        assert_values("a=\"; id=abc", "id", &["abc"]);
    }

    #[test]
    fn a_comma_separates_nothing() {
        assert_values("a=1, id=2", "id", &[]);
        assert_values("id=1, id=2", "id", &["1, id=2"]);
    }

    #[test]
    fn a_bad_neighbour_is_skipped_alone() {
        assert_values("b\u{e4}r=1; id=abc; c=\u{1f36a}", "id", &["abc"]);
        assert_values(b"\xff\xfe=\x80; id=abc; \xc3", "id", &["abc"]);
        assert_values("flag; id=abc; flag", "id", &["abc"]);
        assert_values("id; id=abc; id", "id", &["abc"]);
        assert_values("=value; id=abc; =", "id", &["abc"]);
        assert_values("==id; =id=1; id=abc", "id", &["abc"]);
        assert_values("a b=1; id=abc; {\"json\": 1}=2", "id", &["abc"]);
        assert_values("a=\0\x01; id=abc; \x7f=1", "id", &["abc"]);
    }

    #[test]
    fn a_pair_without_a_name_is_no_cookie() {
        assert_values("=value", "", &[]);
        assert_values(" = value", "", &[]);
        assert!(!sets(b"=value", b""));
    }

    #[test]
    fn four_hundred_kilobytes_of_anything_are_read_in_one_go() {
        for unit in [
            "=", ";", " ", "\t", "\"", "id", "id=", "a=1;", "id;", "\u{2000}", " \t;", "%48", ",=",
        ] {
            let field = format!("{};id=abc", unit.repeat(HOSTILE / unit.len()));
            assert_eq!(values(field.as_bytes(), b"id").last(), Some(&b"abc"[..]), "{unit:?}");
            assert!(!sets(field.as_bytes(), b"other"), "{unit:?}");
        }
        let field = "id=1;".repeat(HOSTILE / 5);
        assert_eq!(values(field.as_bytes(), b"id").count(), HOSTILE / 5);
    }

    #[test]
    fn a_set_cookie_line_is_known_by_its_name() {
        for line in [
            "id=1",
            "id=",
            " \tid\t = 1; Path=/",
            "id=1; id=2",
            "id==; Secure",
            "id=\"a; Path=/",
        ] {
            assert!(sets(line.as_bytes(), b"id"), "{line}");
        }
        for line in [
            "",
            ";",
            "id",
            "id; Path=/",
            "=id",
            "=id=1",
            "id-seen=1",
            "i=1",
            "ID=1",
            "a=1; id=2",
            "Secure; id=1",
            "; id=1",
            "\u{2000}id=1",
            "%69d=1",
            "\"id\"=1",
        ] {
            assert!(!sets(line.as_bytes(), b"id"), "{line}");
        }
        assert!(sets(b"id=\xff\x00", b"id"));
        assert!(!sets(b"\xa0id=1", b"id"));
    }

    fn written(attributes: &Attributes, name: &str, value: &str, max_age: Option<u64>) -> String {
        let append = |line: &mut String| {
            line.push_str(value);
            Ok::<(), Infallible>(())
        };
        attributes.write(name, value.len(), max_age, append).unwrap()
    }

    #[test]
    fn what_is_written_is_what_sets_knows() {
        let attributes = Attributes::default();
        assert!(sets(written(&attributes, "id", "abc", None).as_bytes(), b"id"));
        assert!(sets(attributes.write_removal("id").as_bytes(), b"id"));
    }

    #[test]
    fn the_defaults_are_written() {
        let attributes = Attributes::default();
        assert_accepted(&attributes, "__Host-id");
        assert_eq!(
            written(&attributes, "__Host-id", "abc", None),
            "__Host-id=abc; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            written(&attributes, "__Host-id", "abc", Some(3600)),
            "__Host-id=abc; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn every_attribute_has_its_place() {
        assert_eq!(
            written(&everything(), "id", "abc", Some(u64::MAX)),
            "id=abc; Path=/app; Domain=example.com; Max-Age=18446744073709551615; Secure; HttpOnly; SameSite=Strict; \
             Partitioned"
        );
        assert_eq!(
            written(&without_secure(), "id", "", Some(0)),
            "id=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
        let none = Attributes {
            same_site: SameSite::None,
            ..Attributes::default()
        };
        assert_eq!(
            written(&none, "id", "a", None),
            "id=a; Path=/; Secure; HttpOnly; SameSite=None"
        );
    }

    #[test]
    fn removal_repeats_every_attribute() {
        assert_eq!(
            Attributes::default().write_removal("__Host-id"),
            "__Host-id=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            everything().write_removal("id"),
            "id=; Path=/app; Domain=example.com; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; \
             SameSite=Strict; Partitioned"
        );
        assert_eq!(
            without_secure().write_removal("id"),
            "id=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn the_longest_line_fits_into_one_allocation() {
        let attributes = everything();
        let mut line = attributes.begin("id", 3);
        let room = line.capacity();
        line.push_str("abc");
        attributes.end(&mut line, Some(u64::MAX), Some(PAST));
        assert_eq!((line.len(), line.capacity()), (attributes.room("id", 3), room));
    }

    #[test]
    fn names_are_tokens_of_at_most_255_bytes() {
        let attributes = Attributes::default();
        for name in ["id", "i", "session.id", "!#$%&'*+-.^_`|~09azAZ", &"n".repeat(255)] {
            assert_accepted(&attributes, name);
        }
        assert_refused(&attributes, "", "name is empty");
        assert_refused(&attributes, &"n".repeat(256), "longer than 255");
        for name in [
            "a b",
            " a",
            "a\t",
            "a=b",
            "a;b",
            "a,b",
            "a\"b",
            "a/b",
            "a@b",
            "(a)",
            "[a]",
            "{a}",
            "a\\",
            "a:",
            "<a>",
            "a?",
            "\u{e9}",
            "\u{2000}a",
            "a\r\nb",
            "\0",
            "\x7f",
        ] {
            assert_refused(&attributes, name, "not a token");
            assert!(!is_token(name), "{name:?}");
        }
        assert!(!is_token(""));
    }

    #[test]
    fn a_prefix_is_kept_to_its_rules() {
        for name in [
            "__Host-id",
            "__Host-",
            "__Secure-id",
            "__Http-id",
            "__Host-Http-id",
            "__Host-Httpid",
        ] {
            assert_accepted(&Attributes::default(), name);
            assert_refused(&without_secure(), name, "without Secure");
        }
        for name in ["__Host-id", "__Host-Http-id", "__Host-Httpid"] {
            assert_refused(&with_path("/app"), name, "with another path");
            assert_refused(&with_domain("example.com"), name, "with a domain");
        }
        for name in [
            "__Secure-id",
            "__Http-id",
            "id",
            "Host-id",
            "_Host-id",
            "__Host",
            "x__Host-id",
        ] {
            assert_accepted(&with_path("/app"), name);
            assert_accepted(&with_domain("example.com"), name);
        }
        for name in [
            "id",
            "Host-id",
            "_Host-id",
            "__Host",
            "__Hos",
            "__Httpid",
            "x__Secure-id",
        ] {
            assert_accepted(&without_secure(), name);
        }
        assert_refused(&with_path("/app"), "__Host-Http-id", "`__Host-Http-`");
        assert_refused(&with_path("/app"), "__Host-id", "`__Host-`");
    }

    #[test]
    fn a_prefix_in_another_case_is_refused() {
        for (name, prefix) in [
            ("__host-id", "`__Host-`"),
            ("__HOST-id", "`__Host-`"),
            ("__hOST-Http-id", "`__Host-Http-`"),
            ("__Host-http-id", "`__Host-Http-`"),
            ("__Host-HTTP-id", "`__Host-Http-`"),
            ("__secure-id", "`__Secure-`"),
            ("__SECURE-id", "`__Secure-`"),
            ("__http-id", "`__Http-`"),
            ("__HTTP-id", "`__Http-`"),
        ] {
            assert_refused(&Attributes::default(), name, prefix);
            assert_refused(&without_secure(), name, "spell it so");
        }
    }

    #[test]
    fn no_prefix_is_hidden_by_a_shorter_one_before_it() {
        for (index, (prefix, _)) in PREFIXES.iter().enumerate() {
            let hidden = PREFIXES[..index].iter().any(|(earlier, _)| prefix.starts_with(earlier));
            assert!(!hidden, "{prefix}");
        }
    }

    #[test]
    fn none_and_partitioned_need_secure() {
        let none = Attributes {
            same_site: SameSite::None,
            ..Attributes::default()
        };
        let partitioned = Attributes {
            partitioned: true,
            ..Attributes::default()
        };
        for (attributes, why) in [(none, "SameSite=None"), (partitioned, "Partitioned")] {
            assert_accepted(&attributes, "id");
            let plain = Attributes {
                secure: false,
                ..attributes
            };
            assert_refused(&plain, "id", why);
        }
        let strict = Attributes {
            same_site: SameSite::Strict,
            ..without_secure()
        };
        assert_accepted(&strict, "id");
        assert_accepted(&without_secure(), "id");
    }

    #[test]
    fn a_path_is_what_browsers_take_for_one() {
        for path in ["/", "/app", "/app/", "/a%20b/~c,d=e", &format!("/{}", "p".repeat(1023))] {
            assert_accepted(&with_path(path), "id");
        }
        for path in ["", "app", " /app", "\t/", "\\app", "\u{2000}/"] {
            assert_path_refused(path, "does not start with `/`");
        }
        assert_path_refused(&format!("/{}", "p".repeat(1024)), "longer than 1024");
        for path in [
            "/a;b",
            "/; Domain=evil.example",
            "/\u{e9}",
            "/a\0",
            "/a\r\nSet-Cookie: x=y",
            "/a\t",
            "/\x7f",
            "/\x1f",
            "/a ",
            "/a b",
        ] {
            assert_path_refused(path, "percent-encode");
        }
    }

    #[test]
    fn a_domain_is_a_host_name_without_outer_dots() {
        let longest = format!("{}c.om", "abcdefg.".repeat(31) + "a");
        assert_eq!(longest.len(), 253);
        for domain in [
            "example.com",
            "EXAMPLE.com",
            "a-b.example",
            "xn--bcher-kva.example",
            "localhost",
            "10.0.0.1",
            &longest,
        ] {
            assert_accepted(&with_domain(domain), "id");
        }
        assert_domain_refused("", "domain is empty");
        assert_domain_refused(&format!("a{longest}"), "longer than 253");
        let long = format!("{}.example", "a".repeat(64));
        for domain in ["-a.example", "a-.example", "a.-", "-", long.as_str()] {
            assert_domain_refused(domain, "label");
        }
        assert_accepted(&with_domain(&long[1..]), "id");
        for domain in [".example.com", "example.com.", "example..com", ".", ".."] {
            assert_domain_refused(domain, "remove the dot");
        }
        for domain in [
            "b\u{fc}cher.example",
            "example.com; Path=/x",
            "a_b.example",
            "example.com:8080",
            "exa mple.com",
            " example.com",
            "*.example.com",
            "[::1]",
            "example.com/",
            "a\r\nb",
            "a\0b",
        ] {
            assert_domain_refused(domain, "other characters");
        }
    }
}
