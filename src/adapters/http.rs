//! Feature `http`: the header map of http 1, as hyper, tower and axum use it.

use ::http::header::{self, Entry, HeaderMap, HeaderName, HeaderValue};

use crate::headers::{NAMES, RequestFields, ResponseHeaders};

impl From<&HeaderMap> for RequestFields {
    /// Takes what a session needs; the cookies themselves are not copied.
    fn from(headers: &HeaderMap) -> Self {
        let cookies = headers.get_all(header::COOKIE).iter().cloned();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        Self::from_map(cookies, OTHERS.each_ref().map(text))
    }
}

static OTHERS: [HeaderName; 3] = [
    HeaderName::from_static(NAMES[0]),
    HeaderName::from_static(NAMES[1]),
    HeaderName::from_static(NAMES[2]),
];

/// The name of a field. The crate's own are known without reading them.
fn name_of(name: &str) -> Option<HeaderName> {
    match name {
        "Set-Cookie" => Some(header::SET_COOKIE),
        "Cache-Control" => Some(header::CACHE_CONTROL),
        "Vary" => Some(header::VARY),
        _ => HeaderName::try_from(name).ok(),
    }
}

impl ResponseHeaders for HeaderMap {
    fn for_each_line(&self, line: &mut dyn FnMut(&str, &[u8])) {
        self.iter()
            .for_each(|(name, value)| line(name.as_str(), value.as_bytes()));
    }

    fn retain_lines(&mut self, name: &str, keep: &mut dyn FnMut(&[u8]) -> bool) {
        let Some(name) = name_of(name) else {
            return;
        };
        if let Entry::Occupied(entry) = self.entry(&name) {
            let (_, values) = entry.remove_entry_mult();
            let kept: Vec<HeaderValue> = values.filter(|value| keep(value.as_bytes())).collect();
            for value in kept {
                self.append(&name, value);
            }
        }
    }

    fn append_line(&mut self, name: &'static str, value: String, is_sensitive: bool) {
        let mut value = HeaderValue::try_from(value).expect(
            "names, attributes, addresses and merged directives are checked to be visible ASCII, tokens are base64url",
        );
        value.set_sensitive(is_sensitive);
        let name = name_of(name).expect("the names are constants of this crate");
        Self::append(self, name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_map_gives_split_cookies_and_the_facts_of_a_request() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", HeaderValue::from_static("a=1; id=x"));
        headers.append("cookie", HeaderValue::from_bytes(b"b=\xff; id=y").unwrap());
        headers.insert("sec-fetch-dest", HeaderValue::from_static("empty"));
        headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
        headers.insert("sec-purpose", HeaderValue::from_static("prefetch;prerender"));
        let fields = RequestFields::from(&headers);
        assert_eq!(fields.cookies("id").collect::<Vec<_>>(), [b"x", b"y"]);
        assert_eq!(
            (fields.sec_fetch_dest(), fields.sec_fetch_site()),
            (Some("empty"), Some("same-origin"))
        );
        assert!(fields.is_prefetch());
        assert!(!RequestFields::from(&HeaderMap::new()).is_prefetch());
    }

    #[test]
    fn lines_are_retained_one_by_one_and_cookies_are_sensitive() {
        let mut headers = HeaderMap::new();
        ResponseHeaders::append_line(&mut headers, "Set-Cookie", "a=1".into(), true);
        ResponseHeaders::append_line(&mut headers, "Set-Cookie", "b=2".into(), true);
        ResponseHeaders::append_line(&mut headers, "Vary", "Cookie".into(), false);
        headers.retain_lines("set-cookie", &mut |value| value != b"a=1");
        headers.retain_lines("not a name", &mut |_| false);
        let left: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(left, [("vary", "Cookie"), ("set-cookie", "b=2")]);
        assert!(headers["set-cookie"].is_sensitive() && !headers["vary"].is_sensitive());
    }
}
