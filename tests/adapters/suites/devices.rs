//! Sessions bound to the visitor's device, over real HTTP, with a browser that binds them as Chromium does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, COOKIE, HOST, LOCATION};
use hyper::{Request, StatusCode};
use sealed_session::device::{Answer as Asked, DeviceBinding};
use sealed_session::testing::Browser;
use sealed_session::{Builder, Event, RequireDevice, RequireSession, Session, Sessions, Updated, WriteError};
use serde::{Deserialize, Serialize};
use testkit::Seen;
use testkit::device::{Answered, Device, From, Post};
use testkit::http::{Answer, Asks as _, Wire};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use url::Url;

use crate::frameworks::{Reply, State};
use crate::visits::{self, Login, observed_with};

use super::framework::{self, ANYWHERE, AnyError, Middleware, Server};

// --- Helpers. ---

#[derive(Serialize, Deserialize)]
struct Basket {
    items: u32,
}

const PROOF: &str = "__Host-id-proof";
const ASKED: &str = "__Host-id-asked";
const OFFER: &str = "secure-session-registration";
/// A proof lasts eleven minutes.
const A_PROOF: Duration = Duration::from_secs(661);
/// The one that comes with the registration ends at once, so that the browser makes another.
const A_FIRST_PROOF: Duration = Duration::from_secs(2);
const ON_DEMAND: Duration = Duration::from_secs(60);

type Fields<'a> = &'a [(&'a str, &'a str)];

/// The visitor opens a page of this site.
const PAGE: Fields<'_> = &[("sec-fetch-dest", "document"), ("sec-fetch-site", "same-origin")];
const LINK_OF_ANOTHER_SITE: Fields<'_> = &[("sec-fetch-dest", "document"), ("sec-fetch-site", "cross-site")];

fn builder(browser: &Browser) -> Builder<Login> {
    bound(DeviceBinding::at("/device"), browser)
}

fn bound(binding: DeviceBinding, browser: &Browser) -> Builder<Login> {
    visits::builder().clock(browser.clock()).device_binding(binding)
}

/// With the clock of a browser.
fn sessions() -> (Sessions<Login>, Seen, Browser) {
    let browser = Browser::new();
    let (sessions, seen) = observed_with(builder(&browser));
    (sessions, seen, browser)
}

/// Bound to no device.
fn plain(sessions: &Sessions<Login>) -> String {
    let cookies = sessions.cookie_for(Login { user: 7 });
    cookies.expect("a small session is kept")
}

fn proven(sessions: &Sessions<Login>) -> String {
    let cookies = sessions.proven_cookie_for(Login { user: 7 });
    cookies.expect("a small session is kept")
}

/// The same cookies without a proof.
fn unproven(sessions: &Sessions<Login>) -> String {
    let cookies = proven(sessions);
    let pairs: Vec<_> = cookies.split("; ").filter(|pair| !pair.starts_with(PROOF)).collect();
    pairs.join("; ")
}

async fn send(wire: &Wire, method: &str, path: &str, cookies: &str, fields: Fields<'_>) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header(HOST, "127.0.0.1");
    if !cookies.is_empty() {
        request = request.header(COOKIE, cookies);
    }
    for &(name, value) in fields {
        request = request.header(name, value);
    }
    wire.send(request.body(Full::default()).expect("the tests' paths are URIs"))
        .await
}

/// A visitor whose browser binds sessions to its device. Needs a runtime of several threads.
struct Visitor {
    device: Device,
    wire: Wire,
    /// A field that comes with every request.
    always: Option<(&'static str, &'static str)>,
}

impl Visitor {
    fn new(browser: Browser, server: &Server) -> Self {
        Self {
            device: Device::new(browser, 0),
            wire: Wire::new(server.address()),
            always: None,
        }
    }

    /// What the browser sends by itself.
    fn post(wire: &Wire, always: Option<(&str, &str)>, post: &Post) -> Option<Answered> {
        let mut fields: Vec<_> = always.into_iter().collect();
        for (name, value) in [
            ("sec-secure-session-id", &post.identifier),
            ("secure-session-response", &post.proof),
        ] {
            fields.extend(value.as_deref().map(|value| (name, value)));
        }
        let sent = send(wire, "POST", &post.path, &post.cookies, &fields);
        let answer = block_in_place(|| Handle::current().block_on(sent));
        Some(Answered {
            status: answer.status.as_u16(),
            headers: lines(&answer),
            body: answer.body,
        })
    }

    /// A request from this site, with the proofs that it needs, and what the browser does afterwards.
    async fn send(&mut self, method: &str, path: &str) -> Answer {
        let (wire, always) = (&self.wire, self.always);
        let server = &mut |post: &Post| Self::post(wire, always, post);
        self.device.before(path, From::Here, server);
        let mut fields = PAGE.to_vec();
        fields.extend(always);
        let cookies = self.device.browser.cookie_field();
        let answer = send(wire, method, path, &cookies, &fields).await;
        self.device.receive(&lines(&answer));
        self.device.register(server);
        answer
    }

    async fn assert_is(&mut self, expected: &str) {
        assert_eq!(self.send("GET", "/who").await.body, expected);
    }

    /// Signed in, registered and proven.
    async fn bind(&mut self) {
        self.send("POST", "/sign-in").await;
        self.device.browser.pass(A_FIRST_PROOF);
        self.assert_is("user 7, Proven").await;
    }
}

fn lines(answer: &Answer) -> Vec<(String, String)> {
    let lines = answer.headers.iter();
    lines
        .map(|(name, value)| {
            let value = value.to_str().expect("visible ASCII");
            (name.to_string(), value.to_owned())
        })
        .collect()
}

#[track_caller]
fn assert_answer(answer: &Answer, status: u16, body: &str) {
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, body));
}

/// No cache stores it, and the session layer has been there.
#[track_caller]
fn assert_finished(answer: &Answer) {
    assert_eq!(answer.cache_control(), Some("private, no-store"));
    assert_eq!(answer.vary(), Some("Cookie"));
}

#[track_caller]
fn assert_one_step(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::OK);
    assert!(
        answer.body.contains("<meta http-equiv=\"refresh\" content=\"0\">"),
        "{}",
        answer.body
    );
    assert_eq!(answer.line(CONTENT_TYPE.as_str()), Some("text/html; charset=utf-8"));
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert_eq!(answer.cache_control(), Some("private, no-store"));
}

/// The browser is to prove itself and to come again.
#[track_caller]
fn assert_asked(answer: &Answer, address: &str) {
    assert_answer(answer, 307, "");
    let location = answer.line(LOCATION.as_str()).expect("it says where");
    let asked = Url::parse("https://shop.example").and_then(|site| site.join(address));
    let asked = asked.expect("the tests' addresses are addresses");
    assert_eq!(asked.join(location).as_ref(), Ok(&asked), "{location}");
    assert_eq!(answer.cookie_names(), [PROOF, ASKED]);
    assert!(answer.set_cookies()[0].contains("Max-Age=0"), "the proof is removed");
    assert_eq!(answer.line(crate::frameworks::SENSITIVE), Some("set-cookie set-cookie"));
    assert_eq!(answer.cache_control(), Some("private, no-store"));
}

async fn who(session: Session<Login>) -> Reply {
    Reply::from(match session.get() {
        Some(login) => format!("user {}, {:?}", login.user, session.device()),
        None => format!("guest, {:?}", session.device()),
    })
}

/// Sends the browser to the next page, as forms do.
async fn sign_in(mut session: Session<Login>) -> Result<Reply, WriteError> {
    session.start(Login { user: 7 })?;
    Ok(Reply::status(303).with("location", "/who"))
}

async fn count(mut session: Session<Login>) -> Result<Reply, WriteError> {
    Ok(match session.update(|login| login.user += 1)? {
        Updated::Done(()) => Reply::from("counted"),
        Updated::NoSession => Reply::status(409),
    })
}

async fn sign_out(mut session: Session<Login>) -> Result<Reply, WriteError> {
    session.end()?;
    Ok(Reply::from("signed out"))
}

async fn require(session: RequireSession<Login>) -> Reply {
    Reply::from(format!("user {}", session.data().user))
}

async fn require_device(session: RequireDevice<Login>) -> Reply {
    Reply::from(format!("proven user {}", session.data().user))
}

async fn pay(session: RequireSession<Login>) -> Result<Reply, Asked> {
    session.require_proof(ON_DEMAND)?;
    Ok(Reply::from("paid"))
}

// --- From the offer to the sign-out. ---

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_binds_a_session_at_endpoints_inside_and_outside_of_the_layer() {
    for inside in [true, false] {
        let (sessions, seen, browser) = sessions();
        let layer = Middleware::new(sessions.clone());
        let server = framework::serve_device!((), [sessions], inside, [
            get "/who" who, post "/sign-in" sign_in, post "/sign-out" sign_out,
        ], layer);
        let mut visitor = Visitor::new(browser, &server);
        let signed_in = visitor.send("POST", "/sign-in").await;
        assert_answer(&signed_in, 303, "");
        assert_finished(&signed_in);
        assert!(
            signed_in
                .line(OFFER)
                .is_some_and(|offer| offer.contains("path=\"/device/register\""))
        );
        assert_eq!(visitor.device.bindings.len(), 1, "registered");
        visitor.assert_is("user 7, Unbound").await;
        visitor.device.browser.pass(A_FIRST_PROOF);
        seen.take();
        visitor.assert_is("user 7, Proven").await;
        assert!(matches!(seen.take()[..], [Event::Bound { .. }]));
        let mut thief = Visitor::new(visitor.device.browser.clone(), &server);
        thief.assert_is("user 7, Proven").await;
        visitor.device.browser.pass(A_PROOF);
        thief.assert_is("guest, Unproven").await;
        visitor.assert_is("user 7, Proven").await;
        visitor.send("POST", "/sign-out").await;
        assert_eq!(visitor.device.browser.cookie_field(), "");
        visitor.assert_is("guest, Unbound").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_inside_the_layer_know_what_the_sessions_are_bound_to_besides() {
    let (sessions, _, browser) = sessions();
    let layer = framework::bound(sessions.clone());
    let server = framework::serve_device!((), [sessions], true, [get "/who" who, post "/sign-in" sign_in], layer);
    let mut visitor = Visitor::new(browser, &server);
    visitor.always = Some(("x-device", "the hash of a certificate"));
    visitor.bind().await;
    visitor.device.browser.pass(A_PROOF);
    visitor.assert_is("user 7, Proven").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_is_proven_while_other_requests_write_the_session() {
    let (sessions, _, browser) = sessions();
    let layer = Middleware::new(sessions.clone());
    let server = framework::serve_device!((), [sessions], true, [
        get "/who" who, post "/sign-in" sign_in, post "/count" count,
    ], layer);
    let mut visitor = Visitor::new(browser, &server);
    visitor.bind().await;
    let tab = Wire::new(server.address());
    for round in 1..=10 {
        let before = visitor.device.browser.cookie_field();
        visitor.device.browser.remove(PROOF);
        // The proof is made with the cookies of before, and the session that the browser gets is another.
        let (_, written) = tokio::join!(visitor.send("GET", "/who"), send(&tab, "POST", "/count", &before, &[]));
        assert_answer(&written, 200, "counted");
        visitor.device.browser.keep(&written);
        visitor.assert_is(&format!("user {}, Proven", 7 + round)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_layers_bind_their_sessions_side_by_side() {
    async fn enter(mut login: Session<Login>, mut basket: Session<Basket>) -> Result<Reply, WriteError> {
        login.start(Login { user: 7 })?;
        basket.start(Basket { items: 3 })?;
        Ok(Reply::from("welcome"))
    }
    async fn both(login: Session<Login>, basket: Session<Basket>) -> Reply {
        let items = basket.get().map(|basket| basket.items);
        let user = login.get().map(|login| login.user);
        Reply::from(format!(
            "{user:?} {:?}, {items:?} {:?}",
            login.device(),
            basket.device()
        ))
    }
    let (logins, _, browser) = sessions();
    let baskets = visits::builder().clock(browser.clock()).cookie_name("__Host-basket");
    let baskets = baskets.device_binding(DeviceBinding::at("/shop/device"));
    let baskets: Sessions<Basket> = baskets.build().expect("the configuration is sound");
    let (inner, outer) = (Middleware::new(logins.clone()), Middleware::new(baskets.clone()));
    let server = framework::serve_device!((), [logins, baskets], true, [post "/" enter, get "/" both], inner, outer);
    let mut visitor = Visitor::new(browser, &server);
    visitor.send("POST", "/").await;
    visitor.device.browser.pass(A_FIRST_PROOF);
    for _ in 0..2 {
        let answer = visitor.send("GET", "/").await;
        assert_answer(&answer, 200, "Some(7) Proven, Some(3) Proven");
        visitor.device.browser.pass(A_PROOF);
    }
    let mut thief = Visitor::new(visitor.device.browser.clone(), &server);
    assert_answer(&thief.send("GET", "/").await, 200, "None Unproven, None Unproven");
}

// --- The endpoints. ---

#[tokio::test]
async fn nothing_but_a_post_to_the_endpoints_is_answered_there() {
    let (sessions, _, _) = sessions();
    for inside in [true, false] {
        let layer = Middleware::new(sessions.clone());
        let server = framework::serve_device!((), [sessions], inside, [get "/who" who], layer);
        let wire = Wire::new(server.address());
        for (method, path, status) in [
            ("POST", "/device/register", 400),
            ("POST", "/device/register?a=b", 400),
            ("POST", "/device/refresh", 401),
            ("GET", "/device/register", 405),
            ("HEAD", "/device/refresh", 405),
            ("OPTIONS", "/device/refresh", 405),
            ("POST", "/device", 404),
            ("POST", "/device/", 404),
            ("POST", "/device/other", 404),
            ("POST", "/device/other/register", 404),
            ("POST", "/register", 404),
        ] {
            let answer = send(&wire, method, path, "", &[]).await;
            assert_answer(&answer, status, "");
            match status {
                405 => assert_eq!(answer.line(ALLOW.as_str()), Some("POST")),
                404 => {}
                _ => assert_eq!(answer.cache_control(), Some("private, no-store"), "{path}"),
            }
        }
    }
}

#[tokio::test]
async fn without_device_binding_there_are_no_endpoints_and_other_routes_stay() {
    async fn register() -> Reply {
        Reply::from("a new customer")
    }
    let sessions = visits::sessions();
    let layer = Middleware::new(sessions.clone());
    let server = framework::serve_device!((), [sessions], true, [post "/register" register], layer);
    let wire = Wire::new(server.address());
    for path in ["/device/register", "/device/refresh"] {
        assert_answer(&send(&wire, "POST", path, "", &[]).await, 404, "");
    }
    let registered = send(&wire, "POST", "/register", "", &[]).await;
    assert_answer(&registered, 200, "a new customer");
}

// --- Links of other sites. ---

#[tokio::test]
async fn a_link_of_another_site_is_answered_by_a_step_before_any_handler_that_takes_the_session() {
    type Calls = State<Arc<AtomicUsize>>;
    async fn by_session(State(calls): Calls, session: Session<Login>) -> Reply {
        calls.fetch_add(1, Ordering::Relaxed);
        who(session).await
    }
    async fn by_guard(State(calls): Calls, session: RequireSession<Login>) -> Reply {
        calls.fetch_add(1, Ordering::Relaxed);
        require(session).await
    }
    async fn by_device(State(calls): Calls, session: RequireDevice<Login>) -> Reply {
        calls.fetch_add(1, Ordering::Relaxed);
        require_device(session).await
    }
    let (sessions, _, _) = sessions();
    let layer = Middleware::new(sessions.clone()).sign_in_page("/login");
    let calls = Arc::new(AtomicUsize::default());
    let about = async || Reply::from("about us");
    let server = framework::serve!(Arc::clone(&calls), [
        get "/session" by_session, post "/session" by_session, get "/guard" by_guard, get "/device-guard" by_device,
        get "/about" about,
    ], layer);
    let wire = Wire::new(server.address());
    let unproven = unproven(&sessions);
    for path in ["/session", "/guard", "/device-guard"] {
        for site in ["cross-site", "same-site"] {
            let fields = [("sec-fetch-dest", "document"), ("sec-fetch-site", site)];
            assert_one_step(&send(&wire, "GET", path, &unproven, &fields).await);
        }
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    let about = send(&wire, "GET", "/about", &unproven, LINK_OF_ANOTHER_SITE).await;
    assert_answer(&about, 200, "about us");
    // All others reach the handler.
    let frame = [("sec-fetch-dest", "iframe"), ("sec-fetch-site", "cross-site")];
    let table: [(&str, &str, Fields<'_>, &str); 7] = [
        ("GET", &unproven, PAGE, "guest, Unproven"),
        ("GET", &unproven, &frame, "guest, Unproven"),
        ("GET", &unproven, &[], "guest, Unproven"),
        ("POST", &unproven, LINK_OF_ANOTHER_SITE, "guest, Unproven"),
        ("GET", "", LINK_OF_ANOTHER_SITE, "guest, Unbound"),
        ("GET", &plain(&sessions), LINK_OF_ANOTHER_SITE, "user 7, Unbound"),
        ("GET", &proven(&sessions), LINK_OF_ANOTHER_SITE, "user 7, Proven"),
    ];
    for (method, cookies, fields, expected) in table {
        assert_answer(&send(&wire, method, "/session", cookies, fields).await, 200, expected);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proof_of_another_device_is_removed_and_the_request_repeated() {
    let (sessions, _, browser) = sessions();
    let layer = Middleware::new(sessions.clone());
    let server = framework::serve_device!((), [sessions], true, [get "/who" who, post "/sign-in" sign_in], layer);
    let mut visitor = Visitor::new(browser.clone(), &server);
    visitor.bind().await;
    let mut other = Visitor::new(browser.another(), &server);
    other.device = Device::new(browser.another(), 1);
    other.bind().await;
    let stray = other.device.browser.cookie(PROOF).expect("it is proven").value.clone();
    let own = visitor.device.browser.cookie_field();
    let own: Vec<_> = own.split("; ").filter(|pair| !pair.starts_with(PROOF)).collect();
    let cookies = format!("{}; {PROOF}={stray}", own.join("; "));
    let answer = send(&visitor.wire, "GET", "/who?a=b", &cookies, PAGE).await;
    assert_asked(&answer, "/who?a=b");
    // Once: then the handler tells.
    let again = send(&visitor.wire, "GET", "/who", &format!("{cookies}; {ASKED}=1"), PAGE).await;
    assert_answer(&again, 200, "guest, Unproven");
    assert_eq!(again.cookie_names(), [PROOF, ASKED], "both are removed");
}

// --- Guards. ---

#[tokio::test]
async fn a_bound_and_proven_session_passes_where_a_device_is_required() {
    let (sessions, _, _) = sessions();
    let unbound = "this needs a session that is bound to a device";
    let table = [
        (String::new(), 401, "sign in first"),
        (unproven(&sessions), 401, "sign in first"),
        (plain(&sessions), 403, unbound),
        (proven(&sessions), 200, "proven user 7"),
    ];
    let layer = Middleware::new(sessions.clone());
    let server = framework::serve!((), [get "/" require_device], layer);
    let layer = Middleware::new(sessions.clone()).sign_in_page("/login");
    let with_page = framework::serve!((), [get "/" require_device], layer);
    for (cookies, status, body) in &table {
        let answer = send(&Wire::new(server.address()), "GET", "/", cookies, PAGE).await;
        assert_answer(&answer, *status, body);
        if *status == 403 {
            assert_finished(&answer);
            assert_eq!(answer.line(CONTENT_TYPE.as_str()), Some("text/plain; charset=utf-8"));
        }
        let fields = [PAGE, &[("sec-fetch-mode", "navigate")]].concat();
        let answer = send(&Wire::new(with_page.address()), "GET", "/", cookies, &fields).await;
        let expected = if *status == 401 { 303 } else { *status };
        assert_eq!(answer.status, expected);
    }
}

/// Data of a guest would replace the visitor's session.
#[tokio::test]
async fn a_guest_s_cart_does_not_replace_an_unproven_session() {
    async fn add(mut session: Session<Login>) -> Result<Reply, WriteError> {
        session.update_or_start(|| Login { user: 0 }, |_| ())?;
        Ok(Reply::from("added"))
    }
    let (sessions, _, _) = sessions();
    let layer = Middleware::new(sessions.clone());
    let server = framework::serve!((), [post "/" add], layer);
    for (cookies, status, body) in [
        (unproven(&sessions), 401, "sign in first"),
        (String::new(), 200, "added"),
    ] {
        let answer = send(&Wire::new(server.address()), "POST", "/", &cookies, &[]).await;
        assert_answer(&answer, status, body);
        let set = answer.headers.get_all("set-cookie").iter().count();
        assert_eq!(set, if cookies.is_empty() { 2 } else { 0 });
    }
}

#[tokio::test]
async fn while_it_is_introduced_an_unproven_session_passes_all_guards_but_that_of_devices() {
    let browser = Browser::new();
    let (sessions, seen) = observed_with(bound(DeviceBinding::at("/device").introduce(true), &browser));
    let layer = Middleware::new(sessions.clone());
    let server = framework::serve!((), [get "/who" who, get "/" require, get "/device-guard" require_device], layer);
    let wire = Wire::new(server.address());
    let unproven = unproven(&sessions);
    for (path, status, body) in [
        ("/who", 200, "user 7, Unproven"),
        ("/", 200, "user 7"),
        ("/device-guard", 403, "this needs a new proof of your device; try again"),
    ] {
        seen.take();
        assert_answer(&send(&wire, "GET", path, &unproven, PAGE).await, status, body);
        assert!(matches!(seen.take()[..], [Event::Unproven { .. }]), "{path}");
    }
    // A link of another site gets the step all the same, so that it arrives proven.
    assert_one_step(&send(&wire, "GET", "/", &unproven, LINK_OF_ANOTHER_SITE).await);
}

// --- Proofs on demand. ---

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_on_demand_is_one_redirect_whatever_error_the_handler_has() {
    async fn pay_and_write(mut session: RequireSession<Login>) -> Result<Reply, AnyError> {
        session.require_proof(ON_DEMAND)?;
        session.update(|login| login.user += 1)?;
        Ok(Reply::from("paid"))
    }
    let (sessions, _, browser) = sessions();
    let layer = Middleware::new(sessions.clone());
    let server = framework::serve_device!((), [sessions], true, [
        get "/who" who, post "/sign-in" sign_in, post "/pay" pay, get "/pay" pay, post "/write" pay_and_write,
    ], layer);
    let mut visitor = Visitor::new(browser, &server);
    visitor.bind().await;
    for (method, path) in [("POST", "/pay?to=ada"), ("GET", "/pay"), ("POST", "/write")] {
        visitor.device.browser.pass(A_PROOF);
        // The proof that the browser makes now is young enough.
        assert_answer(&visitor.send(method, path).await, 200, "paid");
        visitor.device.browser.pass(Duration::from_secs(61));
        let cookies = visitor.device.browser.cookie_field();
        for site in ["cross-site", "same-site"] {
            let fields = [("sec-fetch-site", site)];
            let refused = send(&visitor.wire, method, path, &cookies, &fields).await;
            assert_eq!(refused.status, 403, "{site}");
            assert_finished(&refused);
        }
        assert_asked(&visitor.send(method, path).await, path);
        let paid = visitor.send(method, path).await;
        assert_answer(&paid, 200, "paid");
        assert!(paid.cookie_names().contains(&ASKED), "it is removed");
        assert!(visitor.device.browser.cookie(ASKED).is_none());
        // A thief cannot bring a younger proof.
        visitor.device.browser.pass(Duration::from_secs(61));
        let mut thief = visitor.device.browser.clone();
        let asked = send(&visitor.wire, method, path, &thief.cookie_field(), PAGE).await;
        thief.keep(&asked);
        let again = send(&visitor.wire, method, path, &thief.cookie_field(), PAGE).await;
        assert_answer(&again, 403, "this needs a new proof of your device; try again");
        let copy = format!("{cookies}; {ASKED}=1");
        assert_eq!(send(&visitor.wire, method, path, &copy, PAGE).await.status, 403);
        visitor
            .assert_is(if path == "/write" {
                "user 9, Proven"
            } else {
                "user 7, Proven"
            })
            .await;
    }
    let unbound = send(&visitor.wire, "POST", "/pay", &plain(&sessions), PAGE).await;
    assert_answer(&unbound, 403, "this needs a session that is bound to a device");
}

#[tokio::test]
async fn the_redirect_leads_to_the_address_that_the_browser_asked_for_below_other_routers_too() {
    let (sessions, _, browser) = sessions();
    let layer = Middleware::new(sessions.clone());
    let server = framework::serve_nested!([post "/pay" pay, get "/pay" pay], layer);
    let cookies = proven(&sessions);
    browser.pass(Duration::from_secs(61));
    for method in ["GET", "POST"] {
        let address = "/shop/de/pay?q=a%20b&c=+";
        let asked = send(&Wire::new(server.address()), method, address, &cookies, PAGE).await;
        assert_asked(&asked, address);
    }
}

/// The status and the field `Location` of the answer to these bytes.
async fn send_raw(server: &Server, method: &str, target: &[u8], cookies: &str) -> (u16, Option<String>) {
    let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
    let fields = format!(
        "Host: shop.example\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: document\r\n\
         Content-Length: 0\r\nCookie: {cookies}\r\n\r\n"
    );
    let line = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\n", fields.as_bytes()].concat();
    stream.write_all(&line).await.expect("the server reads");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await;
        answer.push(byte.expect("the server answers with a header block"));
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let location = answer.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("location").then(|| value.to_owned())
    });
    (status.expect("the server answers with a status"), location)
}

#[tokio::test]
async fn no_request_target_breaks_an_answer_or_leads_to_another_host() {
    let (sessions, _, browser) = sessions();
    let layer = Middleware::new(sessions.clone());
    let server = framework::serve!((), [
        get ANYWHERE pay, get "/" pay, post ANYWHERE pay,
    ], layer);
    let cookies = proven(&sessions);
    browser.pass(Duration::from_secs(61));
    let mut redirected = 0;
    for method in ["GET", "POST", "OPTIONS", "CONNECT"] {
        for target in [
            &b"/pay"[..],
            b"/pay?a=b",
            b"//evil.example",
            b"///evil.example/pay",
            b"/\\evil.example",
            b"/\\/evil.example",
            b"/.//evil.example",
            b"/..//evil.example",
            b"/%2F/evil.example",
            b"/\"{}|^`'<>",
            b"/pay?\"{}|^`'<>",
            b"/caf\xc3\xa9",
            b"/pay?caf\xc3\xa9",
            b"/\xff\x80",
            b"/pay?\xff",
            b"/a\x7f",
            b"/pay?\x7f",
            b"/a\tb",
            b"/pay#part",
            b"*",
            b"?a=b",
            b"pay",
            b"evil.example:443",
            b"http://evil.example",
            b"http://evil.example/pay",
            b"http://evil.example//evil.example/pay",
            b"http://evil.example?a=b",
            b"https://user@evil.example:1/\\evil.example",
            b"javascript:alert(1)",
        ] {
            let shown = String::from_utf8_lossy(target);
            let (status, location) = send_raw(&server, method, target, &cookies).await;
            assert!(
                [307, 400, 403, 404, 405].contains(&status),
                "{method} {shown}: {status}"
            );
            assert_eq!(status == 307, location.is_some(), "{method} {shown}");
            let Some(location) = location else { continue };
            redirected += 1;
            // From wherever the browser is, it stays there.
            for from in [
                "https://shop.example",
                "https://shop.example/a/b?c",
                "https://shop.example//evil.example",
            ] {
                let from = Url::parse(from).expect("an address");
                let followed = from.join(&location).expect("an address");
                assert_eq!(followed.origin(), from.origin(), "{method} {shown}: {location}");
            }
        }
    }
    assert!(redirected >= 10, "{redirected}");
}
