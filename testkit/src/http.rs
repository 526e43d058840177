//! A client for tests over real HTTP: a kept connection, and browsers that use it.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CACHE_CONTROL, COOKIE, HOST, SET_COOKIE, VARY};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use sealed_session::testing::Browser;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

/// A connection to a server that is kept open. All clients of a test share it, as with a reverse proxy.
pub struct Wire {
    address: SocketAddr,
    connection: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Wire {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: Mutex::new(None),
        }
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
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
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// The one line of this name.
    #[track_caller]
    pub fn line(&self, name: &str) -> Option<&str> {
        let lines: Vec<_> = self.headers.get_all(name).iter().collect();
        assert!(lines.len() <= 1, "{name} is there more than once: {lines:?}");
        lines.first().map(|line| line.to_str().expect("visible ASCII"))
    }

    #[track_caller]
    pub fn cache_control(&self) -> Option<&str> {
        self.line(CACHE_CONTROL.as_str())
    }

    #[track_caller]
    pub fn vary(&self) -> Option<&str> {
        self.line(VARY.as_str())
    }

    pub fn set_cookies(&self) -> Vec<&str> {
        let lines = self.headers.get_all(SET_COOKIE).iter();
        lines.map(|line| line.to_str().expect("visible ASCII")).collect()
    }

    /// The names of the cookies that it sets or removes.
    pub fn cookie_names(&self) -> Vec<&str> {
        let lines = self.set_cookies().into_iter();
        lines.map(|line| line.split('=').next().unwrap_or_default()).collect()
    }
}

/// The requests of a browser.
#[expect(async_fn_in_trait, reason = "tests call it on one thread")]
pub trait Asks {
    /// A GET, whose cookies are kept.
    async fn get(&mut self, wire: &Wire, path: &str) -> Answer;
    /// A POST without a body, whose cookies are kept.
    async fn post(&mut self, wire: &Wire, path: &str) -> Answer;
    /// Keeps the cookies of an answer.
    fn keep(&mut self, answer: &Answer);
}

impl Asks for Browser {
    async fn get(&mut self, wire: &Wire, path: &str) -> Answer {
        request(self, wire, Method::GET, path).await
    }

    async fn post(&mut self, wire: &Wire, path: &str) -> Answer {
        request(self, wire, Method::POST, path).await
    }

    /// Not by `receive`, which takes these headers with feature `http` alone.
    #[track_caller]
    fn keep(&mut self, answer: &Answer) {
        for line in answer.set_cookies() {
            self.set_cookie(line).expect("a browser keeps it");
        }
    }
}

async fn request(browser: &mut Browser, wire: &Wire, method: Method, path: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header(HOST, "127.0.0.1");
    let cookies = browser.cookie_field();
    if !cookies.is_empty() {
        request = request.header(COOKIE, cookies);
    }
    let request = request.body(Full::default()).expect("the tests' paths are URIs");
    let answer = wire.send(request).await;
    browser.keep(&answer);
    answer
}
