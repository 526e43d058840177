//! The tiny_http example, as its visitors see it.

#[path = "../../../examples/tiny_http.rs"]
#[allow(dead_code, reason = "its `main` is not called here")]
mod program;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;

use sealed_session::testing::Browser;
use sealed_session::{Key, KeyRing, Sessions};
use tiny_http::Server;

/// The server stops with the test.
struct Running {
    server: Arc<Server>,
    address: SocketAddr,
}

impl Running {
    fn new(sessions: Sessions<String>) -> Self {
        let server = Arc::new(Server::http("127.0.0.1:0").expect("loopback has a free port"));
        let address = server.server_addr().to_ip().expect("it listens on TCP");
        let requests = Arc::clone(&server);
        thread::spawn(move || {
            for request in requests.incoming_requests() {
                program::answer(&sessions, request).expect("the test waits for the answer");
            }
        });
        Self { server, address }
    }

    fn ask(&self, browser: &mut Browser, method: &str, path: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).expect("the server listens");
        let cookies = browser.cookie_field();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nContent-Length: 0\r\n\
             Cookie: {cookies}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("the server answers");
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole header block");
        let (status, lines) = head.split_once("\r\n").expect("header fields");
        let fields = lines.lines().map(|line| line.split_once(": ").expect("a field line"));
        let headers = fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        browser.receive(&headers);
        Answer {
            status: status.to_owned(),
            headers,
            body: body.to_owned(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.unblock();
    }
}

struct Answer {
    status: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    #[track_caller]
    fn assert(&self, body: &str, cache_control: Option<&str>) {
        assert_eq!((&*self.status, &*self.body), ("HTTP/1.1 200 OK", body));
        let field = self.headers.iter().find(|(name, _)| name == "Cache-Control");
        assert_eq!(field.map(|(_, value)| &**value), cache_control);
    }
}

#[test]
fn it_signs_in_reads_and_signs_out() {
    let mut ada = Browser::new();
    let keys = KeyRing::new(Key::generate().unwrap());
    let running = Running::new(Sessions::builder(keys).clock(ada.clock()).build().unwrap());
    running.ask(&mut ada, "GET", "/").assert("hello, guest", None);

    // A link cannot sign a visitor in.
    running
        .ask(&mut ada, "GET", "/sign-in")
        .assert("the same for everybody", None);
    running
        .ask(&mut ada, "POST", "/sign-in")
        .assert("signed in", Some("private, no-store"));
    running
        .ask(&mut ada, "GET", "/")
        .assert("hello, Ada", Some("private, no-cache"));

    let page = running.ask(&mut ada, "GET", "/static");
    page.assert("the same for everybody", None);
    let is_ours = |name: &str| matches!(name, "Vary" | "Set-Cookie" | "Cache-Control");
    assert!(
        !page.headers.iter().any(|(name, _)| is_ours(name)),
        "{:?}",
        page.headers
    );

    let mut thief = ada.clone();
    running
        .ask(&mut ada, "POST", "/sign-out")
        .assert("signed out", Some("private, no-store"));
    assert_eq!(ada.cookie_field(), "");
    running.ask(&mut ada, "GET", "/").assert("hello, guest", None);
    running
        .ask(&mut thief, "GET", "/")
        .assert("hello, guest", Some("private, no-cache"));
}
