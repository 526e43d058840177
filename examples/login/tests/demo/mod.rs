//! The login example as a program under test: started, ended, and visited by browsers.

#![allow(dead_code, reason = "every test file uses its own part of this")]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use sealed_session::testing;

/// The example while it runs. Only this child process is ever ended.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: String,
    pub(crate) log: Receiver<String>,
}

impl Server {
    pub(crate) fn start(ring: &RingFile) -> Self {
        Self::run(&mut command(ring))
    }

    /// Starts what [`command`] made, and waits until it listens.
    pub(crate) fn run(command: &mut Command) -> Self {
        let mut server = Self::spawn(command);
        let line = server.logs("listening on http://");
        server.address = line.replace("listening on http://", "");
        server
    }

    /// Starts what [`command`] made. It has no address yet.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the example starts");
        let stdout = child.stdout.take().expect("its output is piped");
        let (sender, log) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self {
            child,
            address: String::new(),
            log,
        }
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::at(&self.address)
    }

    /// Reads the terminal up to a line with this text.
    #[track_caller]
    pub(crate) fn logs(&self, text: &str) -> String {
        loop {
            match self.log.recv_timeout(Duration::from_secs(60)) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(error) => panic!("the terminal never showed `{text}`: {error}"),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of a test's ring file.
pub(crate) struct RingFile(pub(crate) PathBuf);

impl RingFile {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sealed-session-login-{}-{count}.txt", std::process::id());
        Self(env::temp_dir().join(name))
    }

    /// The key ids in the order of the file.
    pub(crate) fn key_ids(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.0).expect("the ring was written");
        let key_id = |line: &str| line.split('_').nth(1).map(str::to_owned);
        text.lines().filter_map(key_id).collect()
    }
}

impl Drop for RingFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

pub(crate) fn command(ring: &RingFile) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_login"));
    command.env("PORT", "0").env("LOGIN_KEYS", &ring.0);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// A browser that speaks HTTP.
pub(crate) struct Browser {
    pub(crate) address: String,
    pub(crate) cookies: testing::Browser,
}

impl Browser {
    pub(crate) fn at(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            cookies: testing::Browser::new().over_http(),
        }
    }

    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.request("GET", path, &[], "")
    }

    pub(crate) fn post(&mut self, path: &str, form: &str) -> Response {
        self.request("POST", path, &[("Sec-Fetch-Site", "same-origin")], form)
    }

    #[track_caller]
    pub(crate) fn sign_in(&mut self, name: &str) {
        self.post("/sign-in", &format!("name={name}")).is_sent_home();
    }

    pub(crate) fn request(&mut self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Response {
        let cookies = self.cookies.cookie_field();
        let host = ("Host", self.address.as_str());
        let fields: Vec<_> = [host, ("Cookie", &cookies)]
            .into_iter()
            .chain(fields.iter().copied())
            .collect();
        let stream = TcpStream::connect(&self.address).expect("the server listens");
        let response = exchange(stream, method, path, &fields, body);
        self.cookies.receive(&response.fields);
        response
    }
}

/// One request and its response, on a connection of its own. A field without a value is left out.
pub(crate) fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Response {
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!(
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("the server answers in UTF-8");
    Response::parse(&text)
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a header block ends");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let field = |line: &str| {
            line.split_once(": ")
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        Self {
            status: status
                .and_then(|status| status.parse().ok())
                .expect("a status line has a status"),
            fields: lines.filter_map(field).collect(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let found = move |field: &'a (String, String)| field.0.eq_ignore_ascii_case(name).then_some(field.1.as_str());
        self.fields.iter().filter_map(found)
    }

    #[track_caller]
    pub(crate) fn field<'a>(&'a self, name: &str) -> Option<&'a str> {
        let values: Vec<&str> = self.all(name).collect();
        assert!(values.len() < 2, "one line of {name}, not {values:?}");
        values.first().copied()
    }

    pub(crate) fn set_cookies(&self) -> impl Iterator<Item = &str> {
        self.all("Set-Cookie")
    }

    #[track_caller]
    pub(crate) fn set_cookie(&self, name: &str) -> &str {
        let ours = |line: &&str| line.split('=').next() == Some(name);
        self.set_cookies().find(ours).expect("the cookie is set")
    }

    #[track_caller]
    pub(crate) fn sets<const N: usize>(&self, expected: [&str; N]) {
        let names: Vec<&str> = self.set_cookies().filter_map(|line| line.split('=').next()).collect();
        assert_eq!(names, expected);
    }

    #[track_caller]
    pub(crate) fn is_sent_home(&self) {
        self.is_sent_to("/");
    }

    /// To this page; its query and fragment are about the answer there.
    #[track_caller]
    pub(crate) fn is_sent_to(&self, page: &str) {
        let path = self
            .field("Location")
            .and_then(|location| location.split(['?', '#']).next());
        assert_eq!((self.status, path), (303, Some(page)), "{}", self.body);
    }

    /// Follows what this response answers with, as a browser does.
    #[track_caller]
    pub(crate) fn follow(&self, browser: &mut Browser) -> Self {
        assert_eq!(self.status, 303, "{}", self.body);
        let (address, fragment) = self
            .field("Location")
            .and_then(|to| to.split_once('#'))
            .expect("a fragment");
        assert_eq!(fragment, "answer");
        browser.get(address)
    }

    /// The page says this in answer to what was done, once, where its address leads.
    #[track_caller]
    pub(crate) fn answers(&self, text: &str) {
        let answers: Vec<&str> = self.body.split(" id=\"answer\"").skip(1).collect();
        let [answer] = answers[..] else {
            panic!("{} answers in {}", answers.len(), self.body)
        };
        let answer = answer.split("</p>").next().unwrap_or_default();
        assert!(answer.contains("role=\"status\"") && answer.contains(text), "{answer}");
    }

    /// The page has no answer to anything.
    #[track_caller]
    pub(crate) fn answers_nothing(&self) {
        assert!(!self.body.contains("id=\"answer\""), "{}", self.body);
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        assert!(self.body.contains(text), "`{text}` is not in {}", self.body);
    }

    /// The operator's page has a key with this role, and says whether the session cookie is sealed with it.
    #[track_caller]
    pub(crate) fn shows_key(&self, id: &str, role: &str, is_yours: bool) {
        let yours = if is_yours {
            " <small class=\"yours\">your cookie</small>"
        } else {
            ""
        };
        self.shows(&format!("<code>{id}</code>{yours}</th><td>{role}</td>"));
    }

    #[track_caller]
    pub(crate) fn greets(&self, name: &str) {
        assert_eq!(self.status, 200);
        self.shows(&format!("<h1>Hello, {name}.</h1>"));
    }

    #[track_caller]
    pub(crate) fn is_signed_out(&self) {
        assert_eq!(self.status, 200);
        self.shows("<h1>This server remembers no one.</h1>");
        self.shows("action=\"/sign-in\"");
        assert!(!self.body.contains("Hello"));
    }

    #[track_caller]
    pub(crate) fn session_id(&self) -> String {
        let start = "<dt>Session</dt><dd><code>";
        let (_, rest) = self.body.split_once(start).expect("the page shows the session's id");
        rest.chars().take(16).collect()
    }
}
