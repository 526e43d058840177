//! What tests over real HTTP need: a clock that is moved by hand, a kept connection, and a jar that keeps cookies as a
//! browser does.

#![allow(dead_code, reason = "every test file uses its own part of this")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CACHE_CONTROL, COOKIE, HOST, SET_COOKIE, VARY};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

/// Stands still until it is moved.
#[derive(Clone)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    /// At 2027-01-15T08:00:00Z.
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_800_000_000)))
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.seconds()).expect("the tests stay within the calendar")
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// One kept connection to a server. All clients of a test share it, as behind a reverse proxy.
pub(crate) struct Wire {
    address: SocketAddr,
    connection: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Wire {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: Mutex::new(None),
        }
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let mut connection = self.connection.lock().await;
        let mut sender = match connection.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.connect().await,
        };
        sender.ready().await.expect("the connection takes another request");
        let response = sender.send_request(request).await.expect("the server answers");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("the body arrives").to_bytes();
        *connection = Some(sender);
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).expect("the tests' pages are text"),
        }
    }

    async fn connect(&self) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(self.address).await.expect("the server listens");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1 is spoken");
        tokio::spawn(connection);
        sender
    }
}

/// A response.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The one line of this name.
    #[track_caller]
    pub(crate) fn line(&self, name: &str) -> Option<&str> {
        let lines: Vec<_> = self.headers.get_all(name).iter().collect();
        assert!(lines.len() <= 1, "{name} stands there more than once: {lines:?}");
        lines.first().map(|line| line.to_str().expect("visible ASCII"))
    }

    #[track_caller]
    pub(crate) fn cache_control(&self) -> Option<&str> {
        self.line(CACHE_CONTROL.as_str())
    }

    #[track_caller]
    pub(crate) fn vary(&self) -> Option<&str> {
        self.line(VARY.as_str())
    }

    pub(crate) fn set_cookies(&self) -> Vec<&str> {
        let lines = self.headers.get_all(SET_COOKIE).iter();
        lines.map(|line| line.to_str().expect("visible ASCII")).collect()
    }

    /// The names of the cookies that it sets or removes.
    pub(crate) fn cookie_names(&self) -> Vec<&str> {
        let lines = self.set_cookies().into_iter();
        lines.map(|line| line.split('=').next().unwrap_or_default()).collect()
    }
}

/// A browser, as far as cookies go.
#[derive(Clone)]
pub(crate) struct Client {
    clock: Clock,
    jar: Vec<Cookie>,
}

#[derive(Clone)]
struct Cookie {
    name: String,
    value: String,
    /// Unix seconds; without it the cookie ends with the browser's session.
    until: Option<i64>,
}

impl Client {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            jar: Vec::new(),
        }
    }

    pub(crate) async fn get(&mut self, wire: &Wire, path: &str) -> Answer {
        self.request(wire, Method::GET, path).await
    }

    pub(crate) async fn post(&mut self, wire: &Wire, path: &str) -> Answer {
        self.request(wire, Method::POST, path).await
    }

    async fn request(&mut self, wire: &Wire, method: Method, path: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(HOST, "127.0.0.1");
        let cookies = self.cookies();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies);
        }
        let request = request.body(Full::default()).expect("the tests' paths are URIs");
        let answer = wire.send(request).await;
        for line in answer.set_cookies() {
            self.keep(line);
        }
        answer
    }

    /// The `Cookie` field that the next request will carry.
    pub(crate) fn cookies(&self) -> String {
        let now = self.clock.seconds();
        let kept = self
            .jar
            .iter()
            .filter(|cookie| cookie.until.is_none_or(|until| until > now));
        let pairs: Vec<_> = kept.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        pairs.join("; ")
    }

    /// The value of one cookie.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.cookies();
        let mut pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value.to_owned())
    }

    /// Ends the browser's session: only cookies with a `Max-Age` stay.
    pub(crate) fn close_browser(&mut self) {
        self.jar.retain(|cookie| cookie.until.is_some());
    }

    pub(crate) fn put(&mut self, name: &str, value: &str) {
        self.jar.retain(|cookie| cookie.name != name);
        self.jar.push(Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            until: None,
        });
    }

    /// RFC 6265bis, as far as a `__Host-` cookie goes; what a browser would refuse fails the test.
    #[track_caller]
    pub(crate) fn keep(&mut self, line: &str) {
        let mut parts = line.split("; ");
        let pair = parts.next().expect("a split has a first part");
        let (name, value) = pair.split_once('=').expect("a cookie has a name");
        let attributes: Vec<&str> = parts.collect();
        let attribute = |name: &str| {
            attributes.iter().find_map(|attribute| {
                let (other, value) = attribute.split_once('=').unwrap_or((attribute, ""));
                (other == name).then_some(value)
            })
        };
        if name.starts_with("__Host-") {
            assert!(attribute("Secure").is_some(), "refused without Secure: {line}");
            assert!(attribute("Domain").is_none(), "refused with a Domain: {line}");
            assert_eq!(attribute("Path"), Some("/"), "refused with another Path: {line}");
        }
        assert!(name.len() + value.len() <= 4096, "dropped for its size: {line}");
        let max_age = attribute("Max-Age").map(|seconds| seconds.parse::<i64>().expect("Max-Age is a number"));
        self.jar.retain(|cookie| cookie.name != name);
        if max_age.is_none_or(|seconds| seconds > 0) {
            self.jar.push(Cookie {
                name: name.to_owned(),
                value: value.to_owned(),
                until: max_age.map(|seconds| self.clock.seconds() + seconds),
            });
        }
    }
}
