//! The header fields that a session reads from a request and writes to a response, for any framework.

pub(crate) mod cache;
pub(crate) mod cookie;

use std::borrow::Cow;
use std::fmt;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memchr;

use crate::few::Few;
use crate::session::event::{Event, Observer};

/// The parts of a request that a session needs: its `Cookie` header fields, a few other fields, and `bind` if one is
/// used.
///
/// ```
/// use sealed_session::RequestFields;
///
/// let fields = RequestFields::from_cookies(["theme=dark; __Host-id=AZ5I…", "__Host-id-seen=Ap5I…"]);
/// ```
#[derive(Default)]
pub struct RequestFields {
    cookies: Option<Box<dyn CookieFields>>,
    sec_fetch_dest: Option<String>,
    sec_fetch_site: Option<String>,
    is_prefetch: bool,
    bind: Vec<u8>,
    #[cfg(feature = "device")]
    target: Option<(String, String)>,
}

/// The other fields that a session may need. A framework's adapter makes its own kind of names of them once.
#[cfg(any(feature = "http", feature = "actix"))]
pub(crate) const NAMES: [&str; 3] = ["sec-fetch-dest", "sec-fetch-site", "sec-purpose"];

trait CookieFields: Send + Sync {
    fn field(&self, index: usize) -> Option<&[u8]>;
}

impl<V: AsRef<[u8]> + Send + Sync> CookieFields for Few<V> {
    fn field(&self, index: usize) -> Option<&[u8]> {
        self.get(index).map(AsRef::as_ref)
    }
}

impl RequestFields {
    /// The values of all `Cookie` header fields, as bytes and in order (HTTP/2 clients split the field).
    #[must_use]
    pub fn from_cookies<V: AsRef<[u8]> + Send + Sync + 'static>(cookie_fields: impl IntoIterator<Item = V>) -> Self {
        let mut fields = Few::default();
        fields.extend(cookie_fields);
        Self {
            cookies: Some(Box::new(fields)),
            ..Self::default()
        }
    }

    /// The fields of a framework's header map: its cookie fields, and the values of [`NAMES`].
    #[cfg(any(feature = "http", feature = "actix"))]
    pub(crate) fn from_map<V: AsRef<[u8]> + Send + Sync + 'static>(
        cookie_fields: impl IntoIterator<Item = V>,
        [dest, site, purpose]: [Option<&str>; NAMES.len()],
    ) -> Self {
        let mut fields = Self::from_cookies(cookie_fields);
        fields.sec_fetch_dest = dest.map(str::to_owned);
        fields.sec_fetch_site = site.map(str::to_owned);
        match purpose {
            Some(value) => fields.with_sec_purpose(value),
            None => fields,
        }
    }

    /// The value of `Sec-Fetch-Dest`, for a [`touch_if`](crate::Builder::touch_if) hook.
    #[must_use]
    pub fn with_sec_fetch_dest(mut self, value: impl Into<String>) -> Self {
        self.sec_fetch_dest = Some(value.into());
        self
    }

    /// The value of `Sec-Fetch-Site`, for a [`touch_if`](crate::Builder::touch_if) hook.
    #[must_use]
    pub fn with_sec_fetch_site(mut self, value: impl Into<String>) -> Self {
        self.sec_fetch_site = Some(value.into());
        self
    }

    /// The value of `Sec-Purpose`: a prefetch is not activity of the visitor and does not prolong the session.
    #[must_use]
    pub fn with_sec_purpose(mut self, value: &str) -> Self {
        let start = value.trim_start().get(..8);
        self.is_prefetch = start.is_some_and(|start| start.eq_ignore_ascii_case("prefetch"));
        self
    }

    /// An opaque value that client and server know and that does not travel with the request, such as the hash of a
    /// client certificate. A session that was started with one value does not open with another. Default: empty. An
    /// empty value binds nothing: if a certificate is required and the request has none, refuse the request.
    #[must_use]
    pub fn with_bind(mut self, bind: impl Into<Vec<u8>>) -> Self {
        self.bind = bind.into();
        self
    }

    /// The method and the address of the request (path and query, as the browser asked for it), for
    /// [`Session::require_proof`](crate::Session::require_proof): the browser is sent there again (feature `device`).
    #[cfg(feature = "device")]
    #[cfg_attr(docsrs, doc(cfg(feature = "device")))]
    #[must_use]
    pub fn with_target(mut self, method: impl Into<String>, address: impl Into<String>) -> Self {
        self.target = Some((method.into(), address.into()));
        self
    }

    #[cfg(feature = "device")]
    pub(crate) fn target(&self) -> Option<(&str, &str)> {
        self.target
            .as_ref()
            .map(|(method, address)| (method.as_str(), address.as_str()))
    }

    /// The value of `Sec-Fetch-Dest`, if the request has it.
    #[must_use]
    pub fn sec_fetch_dest(&self) -> Option<&str> {
        self.sec_fetch_dest.as_deref()
    }

    /// The value of `Sec-Fetch-Site`, if the request has it.
    #[must_use]
    pub fn sec_fetch_site(&self) -> Option<&str> {
        self.sec_fetch_site.as_deref()
    }

    /// Whether this request is a prefetch.
    #[must_use]
    pub fn is_prefetch(&self) -> bool {
        self.is_prefetch
    }

    pub(crate) fn bind(&self) -> &[u8] {
        &self.bind
    }

    /// Whether a cookie can have come whose name or value has this byte.
    pub(crate) fn have(&self, byte: u8) -> bool {
        let mut fields = (0..).map_while(|index| self.cookies.as_ref()?.field(index));
        fields.any(|field| memchr(byte, field).is_some())
    }

    /// The raw values of all cookies with this name.
    pub(crate) fn cookies<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let mut values = cookie::values(b"", name.as_bytes());
        let mut fields = (0..).map_while(|index| self.cookies.as_ref()?.field(index));
        iter::from_fn(move || {
            loop {
                match values.next() {
                    Some(value) => return Some(value),
                    None => values = cookie::values(fields.next()?, name.as_bytes()),
                }
            }
        })
    }
}

impl fmt::Debug for RequestFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestFields(..)")
    }
}

/// The header fields of a response, in any framework's type. Names are compared without regard to case.
pub trait ResponseHeaders {
    /// Calls `line` with the name and value of every field line.
    fn for_each_line(&self, line: &mut dyn FnMut(&str, &[u8]));

    /// Drops the lines with this name whose value `keep` refuses. The others do not change.
    fn retain_lines(&mut self, name: &str, keep: &mut dyn FnMut(&[u8]) -> bool);

    /// Adds a line. A sensitive value must stay out of logs and compression tables.
    fn append_line(&mut self, name: &'static str, value: String, is_sensitive: bool);
}

impl ResponseHeaders for Vec<(String, String)> {
    fn for_each_line(&self, line: &mut dyn FnMut(&str, &[u8])) {
        self.iter().for_each(|(name, value)| line(name, value.as_bytes()));
    }

    fn retain_lines(&mut self, name: &str, keep: &mut dyn FnMut(&[u8]) -> bool) {
        self.retain(|(other, value)| !other.eq_ignore_ascii_case(name) || keep(value.as_bytes()));
    }

    fn append_line(&mut self, name: &'static str, value: String, _is_sensitive: bool) {
        self.push((name.to_owned(), value));
    }
}

/// A session's rule for the caches between server and browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheRule {
    /// The response does not depend on the session.
    Leave,
    /// The response depends on the absence of a cookie.
    Vary,
    /// The response depends on a cookie: `private` is merged in, and targeted fields are neutralised.
    Private,
    /// The response carries a session: `private, no-store` replaces everything, and targeted fields are neutralised.
    NoStore,
}

/// The changes to a response that keep the session and prevent caches from mixing up visitors.
#[must_use = "without the patch the response neither keeps the session nor protects it from caches"]
pub struct Patch {
    /// The `Set-Cookie` lines.
    pub(crate) cookies: Few<String>,
    pub(crate) cache: CacheRule,
    pub(crate) vary_field: Cow<'static, str>,
    pub(crate) clear_site_data: bool,
    /// The value of `Secure-Session-Registration`.
    pub(crate) offer: Option<String>,
    pub(crate) watch: Option<Arc<Watch>>,
}

/// The observer of some sessions, and whether it was told of a large header block: what one page sends, all may send.
pub(crate) struct Watch {
    pub(crate) observer: Arc<dyn Observer>,
    told_of_large_block: AtomicBool,
}

impl Watch {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Self {
        let told_of_large_block = AtomicBool::new(false);
        Self {
            observer,
            told_of_large_block,
        }
    }
}

impl Patch {
    /// Changes the response's header fields: `Set-Cookie`, `Cache-Control`, `Vary`, and the fields that only one cache
    /// reads (`X-Accel-Expires`, `Surrogate-Control`, `CDN-Cache-Control` and others).
    ///
    /// Apply the patch after everything that sets header fields or the status, such as compression, CORS and `ETag`,
    /// and before a response cache stores the response. The documentation of `SessionLayer` shows the order and gives
    /// the reasons.
    pub fn apply(&self, headers: &mut (impl ResponseHeaders + ?Sized)) {
        self.apply_cache_rule(headers);
        for line in self.cookies.iter() {
            let name = cookie::name_of(line).as_bytes();
            headers.retain_lines(SET_COOKIE, &mut |other| !cookie::sets(other, name));
            headers.append_line(SET_COOKIE, line.clone(), true);
        }
        if self.clear_site_data {
            // A line of its own: the application may ask to clear more.
            headers.retain_lines(CLEAR_SITE_DATA, &mut |line| line != CLEARED.as_bytes());
            headers.append_line(CLEAR_SITE_DATA, CLEARED.to_owned(), false);
        }
        if let Some(offer) = &self.offer {
            // A line of its own: another session layer may offer too.
            headers.retain_lines(REGISTRATION, &mut |line| line != offer.as_bytes());
            headers.append_line(REGISTRATION, offer.clone(), false);
        }
        if let Some(watch) = &self.watch
            && self.set_cookies().next().is_some()
        {
            let mut bytes = 0;
            headers.for_each_line(&mut |name, value| bytes += name.len() + value.len() + ": \r\n".len());
            if bytes > LARGE_HEADER_BLOCK && !watch.told_of_large_block.swap(true, Ordering::Relaxed) {
                self.report(&Event::LargeHeaderBlock { bytes });
            }
        }
    }

    /// The `Set-Cookie` values, for frameworks with cookie types of their own.
    pub fn set_cookies(&self) -> impl Iterator<Item = &str> {
        self.cookies.iter().map(String::as_str)
    }

    fn apply_cache_rule(&self, headers: &mut (impl ResponseHeaders + ?Sized)) {
        if self.cache == CacheRule::Leave {
            return;
        }
        let mut cache_control = Vec::new();
        let mut vary = Vec::new();
        let mut targeted: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
        headers.for_each_line(&mut |name, value| {
            if name.eq_ignore_ascii_case(CACHE_CONTROL) {
                cache_control.push(value.to_vec());
            } else if name.eq_ignore_ascii_case(VARY) {
                vary.push(value.to_vec());
            } else if cache::is_targeted(name) {
                match targeted.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                    Some((_, lines)) => lines.push(value.to_vec()),
                    None => targeted.push((name.to_owned(), vec![value.to_vec()])),
                }
            }
        });
        if let Some(merged) = cache::merge_vary(slices(&vary), &self.vary_field) {
            replace(headers, VARY, merged);
        }
        match self.cache {
            CacheRule::Leave | CacheRule::Vary => return,
            CacheRule::Private => {
                let merged = cache::merge_private(slices(&cache_control));
                if merged.removed_public {
                    self.report(&Event::PublicRemoved);
                }
                replace(headers, CACHE_CONTROL, merged.value);
            }
            CacheRule::NoStore => replace(headers, CACHE_CONTROL, cache::PRIVATE_NO_STORE.to_owned()),
        }
        for (name, lines) in targeted {
            if !cache::forbids_storing(&name, slices(&lines)) {
                headers.retain_lines(&name, &mut |_| false);
            }
        }
    }

    fn report(&self, event: &Event) {
        if let Some(watch) = &self.watch {
            watch.observer.event(event);
        }
    }
}

impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.set_cookies().map(cookie::name_of).collect();
        f.debug_struct("Patch")
            .field("cookies", &names)
            .field("cache", &self.cache)
            .finish()
    }
}

const SET_COOKIE: &str = "Set-Cookie";
const CACHE_CONTROL: &str = "Cache-Control";
const VARY: &str = "Vary";
const CLEAR_SITE_DATA: &str = "Clear-Site-Data";
const REGISTRATION: &str = "Secure-Session-Registration";
const CLEARED: &str = "\"cache\", \"storage\"";

/// Report above this size: stock nginx accepts at most 4 KiB for the whole header block of an upstream.
const LARGE_HEADER_BLOCK: usize = 3 * 1024;

fn slices(lines: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    lines.iter().map(Vec::as_slice)
}

fn replace(headers: &mut (impl ResponseHeaders + ?Sized), name: &'static str, value: String) {
    headers.retain_lines(name, &mut |_| false);
    headers.append_line(name, value, false);
}
