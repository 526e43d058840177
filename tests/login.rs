//! The login example as a visitor meets it: the real program, over real HTTP, with a cookie jar of a few lines.

use std::collections::BTreeMap;
use std::env;
use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

#[test]
fn a_visitor_signs_in_and_comes_back() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();

    let page = browser.get("/");
    page.is_signed_out();
    page.sets([]);

    let signed_in = browser.post("/sign-in", "name=Ada");
    signed_in.is_sent_home();
    signed_in.sets(["login-demo", "login-demo-seen"]);
    server.logs("started");
    let page = browser.get("/");
    page.greets("Ada");
    page.sets([]);
    page.shows("no: the cookies end with the browser");
    let first = page.session_id();

    browser
        .post("/sign-in", "name=Ada")
        .sets(["login-demo", "login-demo-seen"]);
    let again = browser.get("/");
    again.greets("Ada");
    assert_ne!(
        again.session_id(),
        first,
        "an id from before signing in is worth nothing"
    );
}

#[test]
fn the_basket_travels_in_the_cookie() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    browser.post("/basket", "item=tea&change=add").sets([]);
    browser.get("/").is_signed_out();

    browser.sign_in("Ada");
    let id = browser.get("/").session_id();
    for change in ["item=tea&change=add", "item=tea&change=add", "item=bread&change=add"] {
        browser.post("/basket", change).sets(["login-demo"]);
    }
    let page = browser.get("/");
    page.shows("{&quot;bread&quot;:1,&quot;tea&quot;:2}");
    page.sets([]);
    assert_eq!(page.session_id(), id, "a write keeps the id");

    browser.post("/basket", "item=tea&change=remove").sets(["login-demo"]);
    browser.post("/basket", "item=bread&change=remove").sets(["login-demo"]);
    browser.get("/").shows("&quot;basket&quot;:{&quot;tea&quot;:1}");
    // What changes nothing sends nothing.
    browser.post("/basket", "item=olives&change=remove").sets([]);
}

#[test]
fn a_remembered_session_outlives_the_browser() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    let signed_in = browser.post("/sign-in", "name=Ada&remember=yes");
    assert!(signed_in.set_cookie("login-demo").contains("; Max-Age=7776000;"));
    assert!(signed_in.set_cookie("login-demo-seen").contains("; Max-Age=1209600;"));
    browser.get("/").shows("yes: the cookies outlive the browser");

    let signed_in = browser.post("/sign-in", "name=Ada");
    assert!(!signed_in.set_cookie("login-demo").contains("Max-Age"));
}

#[test]
fn rotating_the_secret_signs_nobody_out() {
    let ring = RingFile::new();
    let server = Server::start(&ring);
    let mut browser = server.browser();
    browser.sign_in("Ada");
    let first = ring.key_ids().remove(0);
    for rotations in 1..=3 {
        browser.post("/rotate", "").sets([]);
        server.logs("rotated");
        let page = browser.get("/");
        page.greets("Ada");
        page.sets([]);
        let ids = ring.key_ids();
        assert_eq!(ids.len(), rotations + 1);
        page.shows(&format!("seal {}", ids[0]));
        page.shows(&format!("open {first}</code> <small>your cookie"));
        page.shows("Before the rotation");
    }
    // Four keys stay. A write seals under the newest, so that the oldest may go.
    let newest = ring.key_ids().remove(0);
    browser.post("/basket", "item=tea&change=add").sets(["login-demo"]);
    browser
        .get("/")
        .shows(&format!("seal {newest}</code> <small>your cookie"));
    browser.post("/rotate", "");
    let ids = ring.key_ids();
    assert!(ids.len() == 4 && ids.contains(&newest) && !ids.contains(&first));
    // The activity cookie is still the first one: its key is gone, and with it the proof that somebody was here.
    browser.get("/").is_signed_out();
    server.logs("the session was not used within the idle timeout");
}

#[test]
fn an_altered_cookie_is_plainly_no_session_and_the_terminal_shows_why() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    browser.sign_in("Ada");
    for (part, reason) in [
        ("head", "the check does not match"),
        ("state", "the head is genuine but the sealed state was altered"),
    ] {
        let before = browser.cookies.clone();
        browser.post("/flip", &format!("part={part}")).sets(["login-demo"]);
        assert_ne!(browser.cookies, before);
        let page = browser.get("/");
        page.is_signed_out();
        page.sets([]);
        page.shows("the terminal shows why");
        assert!(!page.body.contains(reason), "a visitor never gets to know the reason");
        server.logs(reason);

        browser.post("/flip", &format!("part={part}"));
        assert_eq!(browser.cookies, before, "the same bit again");
        browser.get("/").greets("Ada");
    }

    // What is rejected stays in the browser until somebody signs in.
    browser.post("/flip", "part=head");
    browser.get("/").is_signed_out();
    browser.sign_in("Grace");
    browser.get("/").greets("Grace");

    // A cookie that is no token is neither drawn nor altered.
    browser.cookies.insert("login-demo".to_owned(), "\"<script>".to_owned());
    let page = browser.get("/");
    page.is_signed_out();
    assert!(!page.body.contains("<script"));
    browser.post("/flip", "part=head").sets([]);
}

#[test]
fn the_cut_off_signs_everybody_out() {
    let server = Server::start(&RingFile::new());
    let (mut ada, mut grace) = (server.browser(), server.browser());
    ada.sign_in("Ada");
    grace.sign_in("Grace");
    ada.post("/sign-everybody-out", "").is_sent_home();
    for browser in [&mut ada, &mut grace] {
        let page = browser.get("/");
        page.is_signed_out();
        page.sets([]);
        server.logs("before the cut-off or its id is revoked");
    }
    ada.sign_in("Ada");
    ada.get("/").greets("Ada");
}

#[test]
fn signing_out_ends_copies_of_the_cookie_too() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    browser.sign_in("Ada");
    let mut thief = server.browser();
    thief.cookies = browser.cookies.clone();
    thief.get("/").greets("Ada");

    let signed_out = browser.post("/sign-out", "");
    signed_out.is_sent_home();
    for name in ["login-demo", "login-demo-seen"] {
        assert!(signed_out.set_cookie(name).contains("Max-Age=0"));
    }
    assert!(browser.cookies.is_empty());
    browser.get("/").is_signed_out();

    thief.get("/").is_signed_out();
    server.logs("before the cut-off or its id is revoked");
}

#[test]
fn a_restart_keeps_everybody_signed_in() {
    let ring = RingFile::new();
    let server = Server::start(&ring);
    let mut browser = server.browser();
    browser.sign_in("Ada");
    let id = browser.get("/").session_id();
    browser.post("/rotate", "");
    drop(server);

    let server = Server::start(&ring);
    browser.address.clone_from(&server.address);
    let page = browser.get("/");
    page.greets("Ada");
    page.sets([]);
    assert_eq!(page.session_id(), id);

    // Under another ring the same cookie is no session, and it stays where it is.
    let other = Server::start(&RingFile::new());
    browser.address.clone_from(&other.address);
    let page = browser.get("/");
    page.is_signed_out();
    page.sets([]);
    other.logs("a key that is not in the ring");
}

#[test]
fn the_responses_say_what_the_page_says_about_them() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    let anonymous = browser.get("/");
    assert_eq!(anonymous.field("Vary"), Some("Cookie"));
    assert_eq!(anonymous.field("Cache-Control"), None);
    anonymous.shows("no cookie came</th><td><code>Vary: Cookie</code></td>");

    let signed_in = browser.post("/sign-in", "name=Ada");
    let page = browser.get("/");
    let mut stranger = server.browser();
    stranger.cookies.insert("login-demo".to_owned(), "rubbish".to_owned());
    for (response, row, cache_control) in [
        (
            &stranger.get("/"),
            "This page, a cookie opened nothing",
            "private, no-cache",
        ),
        (&page, "This page, signed in", "private, no-store"),
        (&signed_in, "Signed in or out, basket changed", "private, no-store"),
        (
            &browser.post("/basket", "item=tea&change=add"),
            "Signed in or out, basket changed",
            "private, no-store",
        ),
        (
            &browser.post("/sign-out", ""),
            "Signed in or out, basket changed",
            "private, no-store",
        ),
    ] {
        assert_eq!(response.field("Vary"), Some("Cookie"), "{row}");
        assert_eq!(response.field("Cache-Control"), Some(cache_control), "{row}");
        page.shows(&format!(
            "{row}</th><td><code>Vary: Cookie</code> <code>Cache-Control: {cache_control}</code>"
        ));
    }

    browser.sign_in("Ada");
    let public = browser.get("/public");
    assert_eq!(public.status, 200);
    public.sets([]);
    assert_eq!(public.field("Vary"), None);
    assert_eq!(public.field("Cache-Control"), Some("public, max-age=60"));
}

#[test]
fn forms_of_other_sites_are_refused() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    browser.sign_in("Ada");
    for path in [
        "/sign-in",
        "/sign-out",
        "/basket",
        "/flip",
        "/rotate",
        "/sign-everybody-out",
    ] {
        for site in ["cross-site", "same-site", "anything"] {
            let refused = browser.request(
                "POST",
                path,
                &[("Sec-Fetch-Site", site)],
                "name=Eve&item=tea&change=add&part=head",
            );
            assert_eq!(refused.status, 403, "{path} {site}");
            refused.sets([]);
        }
    }
    server.logs("a form of another site");
    browser.get("/").greets("Ada");
    // Links of other sites are welcome, and so are forms of this one.
    assert_eq!(
        browser
            .request("GET", "/", &[("Sec-Fetch-Site", "cross-site")], "")
            .status,
        200
    );
    for site in ["same-origin", "none"] {
        let body = "item=tea&change=add";
        assert_eq!(
            browser
                .request("POST", "/basket", &[("Sec-Fetch-Site", site)], body)
                .status,
            303
        );
    }
}

#[test]
fn a_name_is_text_whatever_it_contains() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    browser.sign_in("%3Cscript%3E%22%26%27%3C%2Fscript%3E");
    let page = browser.get("/");
    page.greets("&lt;script&gt;&quot;&amp;&#39;&lt;/script&gt;");
    assert!(!page.body.contains("<script"));
    let policy = page.field("Content-Security-Policy").expect("every page has a policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"));

    for name in ["", "%20", &"a".repeat(41), "a%0Ab"] {
        let refused = browser.post("/sign-in", &format!("name={name}"));
        assert_eq!(refused.status, 422, "{name}");
        refused.sets([]);
    }
    browser.sign_in(&"%C3%A9".repeat(40));
    browser.get("/").greets(&"é".repeat(40));
}

#[test]
fn a_ring_that_cannot_be_read_stops_the_start_without_showing_a_secret() {
    let ring = RingFile::new();
    fs::write(&ring.0, "seal sealed1_00000000_00ff00ff").expect("the temporary directory is writable");
    let output = command(&ring).output().expect("the example starts");
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("entry 1 of the key ring") && !text.contains("00ff00ff"),
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_ring() {
    use std::os::unix::fs::PermissionsExt;
    let ring = RingFile::new();
    let server = Server::start(&ring);
    let mode = || {
        fs::metadata(&ring.0)
            .expect("the ring was written")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(), 0o600);
    server.browser().post("/rotate", "").is_sent_home();
    assert_eq!(mode(), 0o600);
}

/// The example while it runs. Nothing but this child is ever ended.
struct Server {
    child: Child,
    address: String,
    log: Receiver<String>,
}

impl Server {
    fn start(ring: &RingFile) -> Self {
        let mut child = command(ring).spawn().expect("the example starts");
        let stdout = child.stdout.take().expect("its output is piped");
        let (sender, log) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut server = Self {
            child,
            address: String::new(),
            log,
        };
        let line = server.logs("listening on http://");
        server.address = line.replace("listening on http://", "");
        server
    }

    fn browser(&self) -> Browser {
        Browser {
            address: self.address.clone(),
            cookies: BTreeMap::new(),
        }
    }

    /// Reads the terminal up to a line with this text.
    #[track_caller]
    fn logs(&self, text: &str) -> String {
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

/// Where the ring of a test is kept, and nothing else is.
struct RingFile(PathBuf);

impl RingFile {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sealed-session-login-{}-{count}.txt", std::process::id());
        Self(env::temp_dir().join(name))
    }

    /// The key ids in the order of the file.
    fn key_ids(&self) -> Vec<String> {
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

fn command(ring: &RingFile) -> Command {
    let mut command = Command::new(&*EXAMPLE);
    command.env("PORT", "0").env("LOGIN_KEYS", &ring.0);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// The example beside this test: `cargo test` has built it, `cargo test --test login` alone has not.
static EXAMPLE: LazyLock<PathBuf> = LazyLock::new(|| {
    let this = env::current_exe().expect("a test knows where it is");
    let profile = this
        .ancestors()
        .nth(2)
        .expect("tests are in `deps` of their profile's directory");
    let example = profile.join("examples").join(format!("login{EXE_SUFFIX}"));
    if !example.exists() {
        build(profile);
    }
    example
});

fn build(profile: &Path) {
    let target = profile
        .parent()
        .expect("a profile's directory is in the target directory");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--example", "login", "--features", "axum", "--target-dir"]);
    cargo.arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    if let Some(name) = profile.file_name().filter(|name| *name != "debug") {
        cargo.arg("--profile").arg(name);
    }
    assert!(cargo.status().expect("cargo starts").success());
}

/// A cookie jar that speaks HTTP.
struct Browser {
    address: String,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn get(&mut self, path: &str) -> Response {
        self.request("GET", path, &[], "")
    }

    fn post(&mut self, path: &str, form: &str) -> Response {
        self.request("POST", path, &[("Sec-Fetch-Site", "same-origin")], form)
    }

    #[track_caller]
    fn sign_in(&mut self, name: &str) {
        self.post("/sign-in", &format!("name={name}")).is_sent_home();
    }

    fn request(&mut self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Response {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.address
        );
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !pairs.is_empty() {
            request += &format!("Cookie: {}\r\n", pairs.join("; "));
        }
        for (name, value) in fields {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!(
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("the server answers in UTF-8");
        let response = Response::parse(&text);
        for line in response.set_cookies() {
            self.store(line);
        }
        response
    }

    fn store(&mut self, line: &str) {
        let pair = line.split(';').next().unwrap_or_default();
        let (name, value) = pair.split_once('=').expect("a cookie has a name");
        if line.contains("; Max-Age=0;") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

struct Response {
    status: u16,
    fields: Vec<(String, String)>,
    body: String,
}

impl Response {
    fn parse(text: &str) -> Self {
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

    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let found = move |field: &'a (String, String)| field.0.eq_ignore_ascii_case(name).then_some(field.1.as_str());
        self.fields.iter().filter_map(found)
    }

    #[track_caller]
    fn field<'a>(&'a self, name: &str) -> Option<&'a str> {
        let values: Vec<&str> = self.all(name).collect();
        assert!(values.len() < 2, "one line of {name}, not {values:?}");
        values.first().copied()
    }

    fn set_cookies(&self) -> impl Iterator<Item = &str> {
        self.all("Set-Cookie")
    }

    #[track_caller]
    fn set_cookie(&self, name: &str) -> &str {
        let ours = |line: &&str| line.split('=').next() == Some(name);
        self.set_cookies().find(ours).expect("the cookie is set")
    }

    #[track_caller]
    fn sets<const N: usize>(&self, expected: [&str; N]) {
        let names: Vec<&str> = self.set_cookies().filter_map(|line| line.split('=').next()).collect();
        assert_eq!(names, expected);
    }

    #[track_caller]
    fn is_sent_home(&self) {
        assert_eq!((self.status, self.field("Location")), (303, Some("/")), "{}", self.body);
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        assert!(self.body.contains(text), "`{text}` is not in {}", self.body);
    }

    #[track_caller]
    fn greets(&self, name: &str) {
        assert_eq!(self.status, 200);
        self.shows(&format!("<h1>Hello, {name}.</h1>"));
    }

    #[track_caller]
    fn is_signed_out(&self) {
        assert_eq!(self.status, 200);
        self.shows("<h1>This server remembers nobody.</h1>");
        self.shows("action=\"/sign-in\"");
        assert!(!self.body.contains("Hello"));
    }

    #[track_caller]
    fn session_id(&self) -> String {
        let start = "<dt>Session</dt><dd><code>";
        let (_, rest) = self.body.split_once(start).expect("the page shows the session's id");
        rest.chars().take(16).collect()
    }
}
