//! A strict reader of `Set-Cookie` lines: the grammar for servers (RFC 6265bis, section 4.1.1), and how a
//! browser treats such a line (sections 5.6 and 5.7). And how many cookies a session takes (SPEC.md, *A session in chunks*
//! and *Sizes and limits*).

use crate::reference::token::full;

/// A line as the server intended it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub name: String,
    pub value: String,
    pub path: Option<String>,
    pub domain: Option<String>,
    pub max_age: Option<u64>,
    pub expires: Option<String>,
    pub secure: bool,
    pub http_only: bool,
    pub same_site: Option<String>,
    pub partitioned: bool,
}

/// Reads a line by the grammar; the error names the part that breaks it.
pub fn parse(line: &str) -> Result<Line, &'static str> {
    let mut parts = line.split("; ");
    let pair = parts.next().unwrap_or_default();
    let (name, value) = pair.split_once('=').ok_or("no pair")?;
    if name.is_empty() || !name.bytes().all(is_token_char) {
        return Err("the name is no token");
    }
    if !value.bytes().all(is_cookie_octet) {
        return Err("the value has other characters than cookie-octets");
    }
    let mut read = Line {
        name: name.to_owned(),
        value: value.to_owned(),
        ..Line::default()
    };
    let mut seen = Vec::new();
    for part in parts {
        let (attribute, value) = part
            .split_once('=')
            .map_or((part, None), |(name, value)| (name, Some(value)));
        if seen.contains(&attribute) {
            return Err("an attribute occurs twice");
        }
        seen.push(attribute);
        match (attribute, value) {
            ("Path", Some(value)) if is_path(value) => read.path = Some(value.to_owned()),
            ("Domain", Some(value)) if is_subdomain(value) => read.domain = Some(value.to_owned()),
            // The grammar knows no Max-Age=0; section 5.6.2 reads it as "the earliest time", which removes the cookie.
            ("Max-Age", Some(value)) if value == "0" || is_positive(value) => {
                read.max_age = Some(value.parse().map_err(|_| "Max-Age is too large")?);
            }
            ("Expires", Some(value)) if is_date(value) => read.expires = Some(value.to_owned()),
            ("SameSite", Some(value @ ("Strict" | "Lax" | "None"))) => read.same_site = Some(value.to_owned()),
            ("Secure", None) => read.secure = true,
            ("HttpOnly", None) => read.http_only = true,
            ("Partitioned", None) => read.partitioned = true,
            _ => return Err("an attribute is not of the grammar"),
        }
    }
    Ok(read)
}

impl Line {
    /// Why a browser that got this line over https from a host within its domain would not keep the cookie as intended.
    pub fn refusal(&self) -> Option<&'static str> {
        let lower = self.name.to_ascii_lowercase();
        let host = lower.starts_with("__host-");
        let http = lower.starts_with("__http-") || lower.starts_with("__host-http-");
        let secure = host || http || lower.starts_with("__secure-");
        let longest = [&self.path, &self.domain]
            .into_iter()
            .flatten()
            .map(String::len)
            .max()
            .unwrap_or(0);
        match () {
            () if self.name.len() + self.value.len() > 4096 => Some("name and value are too large"),
            () if longest > 1024 => Some("an attribute is too large and ignored"),
            () if secure && !self.secure => Some("the prefix asks for Secure"),
            () if host && (self.domain.is_some() || self.path.as_deref() != Some("/")) => {
                Some("the prefix asks for Path=/ and no Domain")
            }
            () if http && !self.http_only => Some("the prefix asks for HttpOnly"),
            () if self.same_site.as_deref() == Some("None") && !self.secure => Some("SameSite=None asks for Secure"),
            () if self.partitioned && !self.secure => Some("Partitioned asks for Secure"),
            () if self.max_age.is_some_and(|seconds| seconds > 400 * 86_400) => Some("Max-Age is cut at 400 days"),
            () => None,
        }
    }
}

/// What bounds the cookies of a session.
#[derive(Clone, Debug)]
pub struct Limits {
    pub name: usize,
    pub chunks: u8,
    /// In a `Cookie` field.
    pub largest_cookies: usize,
    pub pad_to: usize,
    /// Whether there may be an activity cookie.
    pub has_idle: bool,
}

/// Why a session is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooLarge {
    pub size: usize,
    pub limit: usize,
    pub option: &'static str,
}

impl Limits {
    pub fn are_accepted(&self) -> bool {
        (1..=4).contains(&self.chunks)
            && (self.chunks == 1 || self.name <= 253)
            && self.largest_cookies >= self.line(4096 - self.name, 1)
    }

    /// The values of the cookies of a session with a payload of so many bytes: their lengths.
    pub fn values(&self, payload: usize) -> Result<Vec<usize>, TooLarge> {
        let found = (1..=self.chunks).find(|&chunks| self.fits(payload, chunks));
        let chunks = found.ok_or_else(|| self.refusal(payload))?;
        // Padding rounds up, as far as these cookies hold it.
        let padded = payload.next_multiple_of(self.pad_to);
        let mut sizes = (payload..=padded).rev();
        let sent = sizes
            .find(|&size| self.fits(size, chunks))
            .expect("it fits without padding");
        let mut rest = characters(sent, chunks);
        let mut values = Vec::new();
        for number in 1..=chunks {
            let (most, tie) = match (chunks, number) {
                (1, _) => (rest, 0),
                (_, 1) => (full(self.name), 0),
                _ => (full(self.name + 2) - 8, 8),
            };
            values.push(most.min(rest) + tie);
            rest -= most.min(rest);
        }
        Ok(values)
    }

    fn fits(&self, payload: usize, chunks: u8) -> bool {
        let text = characters(payload, chunks);
        let longest = match chunks {
            1 => 4096 - self.name,
            _ => self.text(chunks),
        };
        text <= longest && (chunks == 1 || self.line(text, chunks) <= self.largest_cookies)
    }

    /// The longest text in so many cookies, more than one.
    fn text(&self, chunks: u8) -> usize {
        full(self.name) + usize::from(chunks - 1) * (full(self.name + 2) - 8)
    }

    /// What a `Cookie` field takes with a text of so many characters.
    fn line(&self, text: usize, chunks: u8) -> usize {
        let name = "n".repeat(self.name);
        let mut cookies = vec![format!("{name}=")];
        cookies.extend((2..=chunks).map(|number| format!("{name}.{number}=tie-of-8")));
        if self.has_idle {
            cookies.push(format!("{name}-seen={}", "s".repeat(44)));
        }
        cookies.join("; ").len() + text
    }

    fn refusal(&self, payload: usize) -> TooLarge {
        if self.chunks == 1 {
            let size = self.name + characters(payload, 1);
            let (limit, option) = (4096, "chunks");
            return TooLarge { size, limit, option };
        }
        let needed = (2..4).find(|&chunks| characters(payload, chunks) <= self.text(chunks));
        let needed = needed.unwrap_or(4);
        let full = self.line(self.text(self.chunks), self.chunks);
        TooLarge {
            size: self.line(characters(payload, needed), needed),
            limit: full.min(self.largest_cookies),
            option: if full <= self.largest_cookies {
                "chunks"
            } else {
                "largest_cookies"
            },
        }
    }
}

/// The length of the token's text.
fn characters(payload: usize, chunks: u8) -> usize {
    let bytes = payload + if chunks == 1 { 70 } else { 71 };
    (4 * bytes).div_ceil(3)
}

// token = 1*tchar      (RFC 9110, section 5.6.2)
fn is_token_char(byte: u8) -> bool {
    (0x21..=0x7e).contains(&byte) && !b"\"(),/:;<=>?@[\\]{}".contains(&byte)
}

// cookie-octet = %x21 / %x23-2B / %x2D-3A / %x3C-5B / %x5D-7E
fn is_cookie_octet(byte: u8) -> bool {
    (0x21..=0x7e).contains(&byte) && !b"\",;\\".contains(&byte)
}

// path-value = *av-octet; av-octet = %x20-3A / %x3C-7E; a browser takes the default path if it does not start with "/",
// and trims white space at the end.
fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && path.bytes().all(|byte| (0x20..=0x7e).contains(&byte) && byte != b';')
        && !path.ends_with(' ')
}

// domain-value = <subdomain>, see RFC 1034, section 3.5, enhanced by RFC 1123, section 2.1
fn is_subdomain(domain: &str) -> bool {
    domain.len() <= 253
        && domain.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

fn is_positive(digits: &str) -> bool {
    digits.starts_with(|digit: char| ('1'..='9').contains(&digit)) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The only date that the crate writes: the beginning of Unix time.
fn is_date(date: &str) -> bool {
    date == "Thu, 01 Jan 1970 00:00:00 GMT"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_strictly() {
        let line = parse("id=a; Path=/; Domain=a.example; Max-Age=60; Secure; HttpOnly; SameSite=Lax; Partitioned");
        let line = line.expect("a line");
        assert_eq!(
            (line.path.as_deref(), line.domain.as_deref(), line.max_age),
            (Some("/"), Some("a.example"), Some(60))
        );
        assert!(line.secure && line.http_only && line.partitioned && line.expires.is_none());
        assert_eq!(line.refusal(), None);
        for other in [
            "",
            "id",
            "=a",
            "i d=a",
            "id=a b",
            "id=a,b",
            "id=a;Path=/",
            "id=a; Path=x",
            "id=a; Path=/; Path=/",
            "id=a; Path=/;",
            "id=a; Max-Age=01",
            "id=a; Max-Age=-1",
            "id=a; Secure=1",
            "id=a; SameSite=lax",
            "id=a; Domain=.a",
            "id=a; Domain=-a",
            "id=a; Domain=a-.b",
            "id=a; Expires=tomorrow",
            "id=a\r\nX: y",
            "id=\u{e9}",
            "id=a; Path=/\u{e9}",
        ] {
            assert!(parse(other).is_err(), "{other}");
        }
        let long = format!("id=a; Domain={}.example", "a".repeat(64));
        assert!(parse(&long).is_err());
    }

    #[test]
    fn cookies_hold_what_the_specification_says() {
        let limits = |chunks, largest_cookies, pad_to| Limits {
            name: 9,
            chunks,
            largest_cookies,
            pad_to,
            has_idle: true,
        };
        let values = |chunks, payload| limits(chunks, usize::MAX, 1).values(payload);
        assert_eq!(values(4, 2995), Ok(vec![4087]));
        for (chunks, most) in [(2, 6049), (3, 9106), (4, 12_163)] {
            assert_eq!(values(4, most), Ok(vec![4084; chunks]));
            assert_eq!(
                values(chunks as u8, most + 1).map_err(|error| error.option),
                Err("chunks")
            );
        }
        // As the default of the crate is: 7,500 bytes with 59 for the activity cookie.
        let (size, limit, option) = (7501, 7500, "largest_cookies");
        assert_eq!(limits(4, 7500, 1).values(5484).map(|values| values.len()), Ok(2));
        assert_eq!(limits(4, 7500, 1).values(5485), Err(TooLarge { size, limit, option }));
        assert_eq!(limits(2, 7500, 256).values(2995), Ok(vec![4087]));
        assert_eq!(limits(2, 7500, 256).values(2997), Ok(vec![4084, 115]));
        assert!(limits(1, 4158, 1).are_accepted() && !limits(1, 4157, 1).are_accepted());
        assert!(!limits(0, 7500, 1).are_accepted() && !limits(5, 7500, 1).are_accepted());
    }

    #[test]
    fn a_browser_keeps_to_prefixes_in_any_case() {
        let refused = |line: &str| parse(line).expect("a line").refusal().is_some();
        assert!(!refused("__Host-id=; Path=/; Secure") && !refused("__Secure-id=; Secure; Domain=a"));
        for line in [
            "__Host-id=; Path=/",
            "__host-id=; Path=/a; Secure",
            "__HOST-id=; Path=/; Secure; Domain=a",
            "__Host-id=; Secure",
            "__secure-id=",
            "__Http-id=; Secure",
            "__Host-Http-id=; Path=/; Secure",
            "id=; SameSite=None",
            "id=; Partitioned",
            "id=; Max-Age=34560001",
        ] {
            assert!(refused(line), "{line}");
        }
    }
}
