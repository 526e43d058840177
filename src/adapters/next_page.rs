//! The page that a guest asked for: it travels to the sign-in page as `next`, and is read back there.

/// The page to go to after a sign-in: a guard put it into the address of the sign-in page as `next`.
///
/// An attacker can write any query of the sign-in page into a link. So the answer is `None` unless the first `next`,
/// with its percent-encoding undone once, is a path of this site: it begins with one `/`, consists of visible ASCII
/// characters, has no `\` and no segment `.` or `..`, and takes at most 1,024 bytes when encoded. A browser that
/// follows it stays on the site.
///
/// A form without `action` is sent to the address of its own page, so the handler that signs in finds `next` there too.
/// The query is `uri.query()` in axum, and `Some(request.query_string())` in actix.
///
/// ```
/// use sealed_session::next_page;
///
/// let after_sign_in = |query| next_page(query).unwrap_or_else(|| "/account".to_owned());
/// assert_eq!(after_sign_in(Some("next=%2Forders%3Fpage%3D2")), "/orders?page=2");
/// assert_eq!(after_sign_in(Some("next=%2F%2Fevil.example")), "/account");
/// assert_eq!(after_sign_in(None), "/account");
/// ```
#[must_use]
pub fn next_page(query: Option<&str>) -> Option<String> {
    let encoded = query?.split('&').find_map(next_of)?;
    if encoded.len() > LONGEST {
        return None;
    }
    decode(encoded).filter(|page| is_own_path(page))
}

/// The page where visitors sign in, checked once.
#[derive(Debug)]
pub(crate) struct SignInPage(
    #[cfg_attr(
        not(any(feature = "axum", feature = "actix")),
        expect(dead_code, reason = "only a guard reads it, and tower alone has none")
    )]
    String,
);

impl SignInPage {
    /// `None` unless it is a path of this site, which may have a query and a fragment.
    pub(crate) fn new(path: &str) -> Option<Self> {
        is_own_path(path).then(|| Self(path.to_owned()))
    }

    /// The address of the sign-in page for a visitor who asked for this page: visible ASCII.
    #[cfg(any(feature = "axum", feature = "actix"))]
    pub(crate) fn address_for(&self, asked: Option<&str>) -> String {
        let (before, fragment) = self.0.find('#').map_or((&*self.0, ""), |at| self.0.split_at(at));
        let (path, query) = before
            .split_once('?')
            .map_or((before, None), |(path, query)| (path, Some(query)));
        let next = asked
            .filter(|asked| is_own_path(asked) && path_of(asked) != path)
            // The application has set `next` itself.
            .filter(|_| !query.is_some_and(|query| query.split('&').any(|pair| next_of(pair).is_some())))
            .and_then(encode);
        let Some(next) = next else {
            return self.0.clone();
        };
        let separator = match query {
            None => "?",
            Some("") => "",
            Some(_) => "&",
        };
        [before, separator, NEXT, &next, fragment].concat()
    }
}

/// Whether the response will be shown in a browser's window: only these requests are sent to another page. A script
/// gets the status, and a submitted form does not get another page instead.
///
/// A browser sends no `Sec-Fetch-Mode` over plain http, except to its own machine; then `Accept` decides.
#[cfg(any(feature = "axum", feature = "actix"))]
pub(crate) fn is_navigation<'a>(
    method: &str,
    sec_fetch_mode: Option<&[u8]>,
    mut accept: impl Iterator<Item = &'a [u8]>,
) -> bool {
    let is_html = |range: &[u8]| {
        let media_type = range.split(|&byte| byte == b';').next().unwrap_or_default();
        media_type.trim_ascii().eq_ignore_ascii_case(b"text/html")
    };
    matches!(method, "GET" | "HEAD")
        && match sec_fetch_mode {
            Some(mode) => mode == b"navigate",
            None => accept.any(|line| line.split(|&byte| byte == b',').any(is_html)),
        }
}

const NEXT: &str = "next=";

/// In bytes, when encoded: longer pages would fill the header block of the redirect.
const LONGEST: usize = 1024;

fn next_of(pair: &str) -> Option<&str> {
    pair.strip_prefix(NEXT).or((pair == "next").then_some(""))
}

/// Whether a browser, which reads addresses by the URL standard of the WHATWG, stays on this site with this address.
///
/// The standard takes `\` for `/`, and removes tabs and line ends first. It also resolves `.` and `..`: `/.//host` is
/// on this site, but the resulting path, `//host`, is not. Browsers ask for no path with such segments.
fn is_own_path(text: &str) -> bool {
    let is_dots = |segment: &str| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        matches!(&*segment, "." | "..")
    };
    text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && !path_of(text).split('/').any(is_dots)
}

fn path_of(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or_default()
}

/// The percent-encoding of RFC 3986, of all except unreserved characters; `None` if the result is too long.
#[cfg(any(feature = "axum", feature = "actix"))]
fn encode(text: &str) -> Option<String> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => {
                let digits = [byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)]));
                encoded.push('%');
                encoded.extend(digits);
            }
        }
        if encoded.len() > LONGEST {
            return None;
        }
    }
    Some(encoded)
}

/// Undoes a percent-encoding once; `None` if it is broken, or if anything but visible ASCII comes out.
fn decode(encoded: &str) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = encoded.bytes();
    let mut text = String::with_capacity(encoded.len());
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => u8::try_from(digit(bytes.next()?)? * 16 + digit(bytes.next()?)?).ok()?,
            byte => byte,
        };
        text.push(byte.is_ascii_graphic().then(|| byte.into())?);
    }
    Some(text)
}

#[cfg(test)]
#[cfg(any(feature = "axum", feature = "actix"))]
mod tests;
