//! Guards over real HTTP.

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION};
use sealed_session::{Builder, Key, KeyRing, RequireSession, Session, SessionData, Sessions, WriteError, next_page};
use serde::{Deserialize, Serialize};

use crate::frameworks::{Query, Reply};
use crate::shop::{RequireAdmin, Shop};
use testkit::http::{Answer, Wire};

use super::framework::{self, ANYWHERE, Middleware, Server};

#[derive(Serialize, Deserialize)]
struct Staff {
    name: String,
}

// --- Helpers. ---

/// The parts of a request besides its cookies.
type Fields = [(&'static str, &'static str)];

const SIGN_IN: &str = "/login";
const NAVIGATION: &Fields = &[("sec-fetch-mode", "navigate")];

fn builder<T: SessionData>() -> Builder<T> {
    Sessions::builder(KeyRing::new(Key::generate().expect("random bytes")))
}

/// Guests have sessions, and only users are signed in.
fn shop() -> Sessions<Shop> {
    let builder = builder().signed_in_if(|shop: &Shop| shop.user.is_some());
    builder.build().expect("the configuration is sound")
}

fn cookies(sessions: &Sessions<Shop>, data: Shop) -> String {
    sessions.cookie_for(data).expect("a small session is kept")
}

fn guest() -> Shop {
    Shop {
        cart: vec!["pear".to_owned()],
        ..Shop::default()
    }
}

fn user() -> Shop {
    Shop {
        user: Some(7),
        ..guest()
    }
}

fn admin() -> Shop {
    Shop {
        is_admin: true,
        ..user()
    }
}

async fn send(server: &Server, method: &str, path: &str, cookies: &str, fields: &Fields) -> Answer {
    let mut request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "127.0.0.1");
    if !cookies.is_empty() {
        request = request.header(COOKIE, cookies);
    }
    for &(name, value) in fields {
        request = request.header(name, value);
    }
    let request = request.body(http_body_util::Full::default());
    let wire = Wire::new(server.address());
    wire.send(request.expect("the tests' paths are URIs")).await
}

/// Asks as a browser that follows a link.
async fn look(server: &Server, path: &str, cookies: &str) -> Answer {
    send(server, "GET", path, cookies, NAVIGATION).await
}

#[track_caller]
fn assert_page(answer: &Answer, body: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, body));
}

#[track_caller]
fn assert_sent_to(answer: &Answer, location: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::SEE_OTHER, ""));
    assert_eq!(answer.line(LOCATION.as_str()), Some(location));
}

#[track_caller]
fn assert_unauthorized(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.line(LOCATION.as_str()), None);
    assert_eq!(answer.line(CONTENT_TYPE.as_str()), Some("text/plain; charset=utf-8"));
}

async fn orders(session: RequireSession<Shop>) -> Reply {
    Reply::from(format!("orders of {:?}", session.data().user))
}

// --- Who passes. ---

#[tokio::test]
async fn a_guest_with_a_cart_passes_unless_signed_in_if_says_otherwise() {
    let open = builder::<Shop>().build().expect("the configuration is sound");
    for (sessions, passes) in [(open, true), (shop(), false)] {
        let layer = Middleware::new(sessions.clone()).sign_in_page(SIGN_IN);
        let server = framework::serve!((), [get "/orders" orders], layer);
        let cart = look(&server, "/orders", &cookies(&sessions, guest())).await;
        if passes {
            assert_page(&cart, "orders of None");
        } else {
            assert_sent_to(&cart, "/login?next=%2Forders");
            assert_eq!(cart.set_cookies(), [""; 0], "the guest keeps the cart");
        }
        assert_sent_to(&look(&server, "/orders", "").await, "/login?next=%2Forders");
        assert_page(
            &look(&server, "/orders", &cookies(&sessions, user())).await,
            "orders of Some(7)",
        );
    }
}

#[tokio::test]
async fn without_a_sign_in_page_every_visitor_who_is_not_signed_in_gets_401() {
    let sessions = shop();
    let layer = Middleware::new(sessions.clone());
    let server = framework::serve!((), [get "/orders" orders], layer);
    for cookies in [String::new(), "__Host-id=old".to_owned(), cookies(&sessions, guest())] {
        let answer = look(&server, "/orders", &cookies).await;
        assert_unauthorized(&answer);
        assert_eq!(answer.body, "sign in first");
    }
}

#[tokio::test]
async fn a_role_is_asked_for_after_the_sign_in() {
    async fn accounts(RequireAdmin(session): RequireAdmin) -> Reply {
        Reply::from(format!("administrator {:?}", session.data().user))
    }
    let sessions = shop();
    let layer = Middleware::new(sessions.clone()).sign_in_page(SIGN_IN);
    let server = framework::serve!((), [get "/accounts" accounts], layer);
    let of_guest = look(&server, "/accounts", &cookies(&sessions, guest())).await;
    assert_sent_to(&of_guest, "/login?next=%2Faccounts");
    let of_user = look(&server, "/accounts", &cookies(&sessions, user())).await;
    let refused = (StatusCode::FORBIDDEN, "for administrators only");
    assert_eq!((of_user.status, of_user.body.as_str()), refused);
    let of_admin = look(&server, "/accounts", &cookies(&sessions, admin())).await;
    assert_page(&of_admin, "administrator Some(7)");
}

// --- Where the others are sent. ---

#[tokio::test]
async fn only_navigations_are_sent_to_the_sign_in_page() {
    let layer = Middleware::new(shop()).sign_in_page(SIGN_IN);
    let routes = framework::serve!((), [get "/orders" orders, head "/orders" orders, post "/orders" orders], layer);
    let html = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let navigate = NAVIGATION[0];
    let table: [(&str, &Fields, bool); 13] = [
        ("GET", &[navigate, html], true),
        ("GET", &[navigate], true),
        ("HEAD", &[navigate], true),
        ("POST", &[navigate, html], false),
        ("GET", &[("sec-fetch-mode", "cors"), html], false),
        ("GET", &[("sec-fetch-mode", "cors"), ("accept", "*/*")], false),
        // Plain http.
        ("GET", &[html], true),
        ("HEAD", &[html], true),
        ("GET", &[("accept", "application/json"), ("accept", "text/html")], true),
        ("POST", &[html], false),
        ("GET", &[("accept", "*/*")], false),
        ("HEAD", &[("accept", "*/*")], false),
        ("GET", &[], false),
    ];
    for (method, fields, navigates) in table {
        let answer = send(&routes, method, "/orders?page=2", "", fields).await;
        if navigates {
            assert_sent_to(&answer, "/login?next=%2Forders%3Fpage%3D2");
        } else {
            assert_unauthorized(&answer);
        }
    }
}

#[tokio::test]
async fn no_cache_stores_what_a_guest_is_told() {
    let sessions = shop();
    let layer = Middleware::new(sessions.clone()).sign_in_page(SIGN_IN);
    let server = framework::serve!((), [get "/orders" orders], layer);
    for (cookies, expected) in [
        (String::new(), "no-store"),
        ("__Host-id=old".to_owned(), "private, no-store"),
        (cookies(&sessions, guest()), "private, no-store"),
    ] {
        for (fields, status) in [(NAVIGATION, StatusCode::SEE_OTHER), (&[], StatusCode::UNAUTHORIZED)] {
            let answer = send(&server, "GET", "/orders", &cookies, fields).await;
            assert_eq!(answer.status, status);
            assert_eq!(
                (answer.cache_control(), answer.vary()),
                (Some(expected), Some("Cookie"))
            );
        }
    }
}

#[tokio::test]
async fn next_is_the_page_as_the_visitor_asked_for_it_below_other_routers_too() {
    let layer = Middleware::new(shop()).sign_in_page("/shop/login?lang=de#form");
    let server = framework::serve_nested!([get "/orders" orders, get "/" orders], layer);
    for (asked, next) in [
        ("/shop/de/orders", "%2Fshop%2Fde%2Forders"),
        (
            "/shop/de/orders?q=a%20b&c=+",
            "%2Fshop%2Fde%2Forders%3Fq%3Da%2520b%26c%3D%2B",
        ),
    ] {
        let expected = format!("/shop/login?lang=de&next={next}#form");
        assert_sent_to(&look(&server, asked, "").await, &expected);
    }
}

#[tokio::test]
async fn an_address_that_a_browser_takes_for_another_site_is_no_next() {
    let layer = Middleware::new(shop()).sign_in_page(SIGN_IN);
    let server = framework::serve!((), [get ANYWHERE orders], layer);
    let too_long = format!("/{}", "a".repeat(1022));
    for asked in [
        "//evil.example",
        "//evil.example/orders",
        "/\\evil.example",
        "/a/..//evil.example",
        &too_long,
    ] {
        assert_sent_to(&look(&server, asked, "").await, "/login");
    }
    // The sign-in page itself: no visitor is sent around in circles with an address that grows.
    assert_sent_to(&look(&server, "/login?next=%2Forders", "").await, "/login");
    let expected = format!("/login?next=%2F{}", "a".repeat(1021));
    assert_sent_to(&look(&server, &too_long[..1022], "").await, &expected);
}

#[tokio::test]
async fn a_visitor_who_has_signed_in_gets_the_page_that_was_asked_for() {
    async fn sign_in(Query(query): Query, mut session: Session<Shop>) -> Result<Reply, WriteError> {
        session.start_with(|guest| Shop {
            user: Some(7),
            cart: guest.map(|guest| guest.cart).unwrap_or_default(),
            is_admin: false,
        })?;
        Ok(Reply::from(
            next_page(query.as_deref()).unwrap_or_else(|| "/account".to_owned()),
        ))
    }
    let sessions = shop();
    let layer = Middleware::new(sessions.clone()).sign_in_page(SIGN_IN);
    let server = framework::serve!((), [get ANYWHERE orders, post "/login" sign_in], layer);
    let asked = "/orders/caf%C3%A9?page=2&q=a+b%26c";
    let sent = look(&server, asked, &cookies(&sessions, guest())).await;
    let login = sent
        .line(LOCATION.as_str())
        .expect("the guest is sent to the sign-in page");
    // A form without `action`.
    let signed_in = send(&server, "POST", login, &cookies(&sessions, guest()), NAVIGATION).await;
    assert_page(&signed_in, asked);
    let lines = signed_in.set_cookies();
    let pairs: Vec<_> = lines.iter().filter_map(|line| line.split(';').next()).collect();
    assert_page(
        &look(&server, &signed_in.body, &pairs.join("; ")).await,
        "orders of Some(7)",
    );
    // A link that an attacker has made.
    for link in [
        "/login",
        "/login?next=%2F%2Fevil.example",
        "/login?next=https://evil.example/&next=/orders",
    ] {
        assert_page(&send(&server, "POST", link, "", NAVIGATION).await, "/account");
    }
}

#[tokio::test]
async fn every_guard_sends_guests_where_the_layer_of_its_own_type_says() {
    async fn rota(session: RequireSession<Staff>) -> Reply {
        Reply::from(format!("rota of {}", session.data().name))
    }
    let staff = builder::<Staff>().cookie_name("__Host-staff").build();
    let staff = Middleware::new(staff.expect("the configuration is sound")).sign_in_page("/staff");
    for (customers, location) in [
        (
            Middleware::new(shop()).sign_in_page("/customers"),
            Some("/customers?next=%2Forders"),
        ),
        (Middleware::new(shop()), None),
    ] {
        let staff = staff.clone();
        let server = framework::serve!((), [get "/rota" rota, get "/orders" orders], customers, staff);
        assert_sent_to(&look(&server, "/rota", "").await, "/staff?next=%2Frota");
        let customer = look(&server, "/orders", "").await;
        match location {
            Some(location) => assert_sent_to(&customer, location),
            None => assert_unauthorized(&customer),
        }
    }
}

#[tokio::test]
async fn a_sign_in_page_that_is_no_path_is_a_mistake_with_a_sentence() {
    async fn who(session: Session<Shop>) -> Reply {
        Reply::from(format!("{:?}", session.get().is_some()))
    }
    for page in ["login", "//login.example", "https://login.example/", "/an melden", ""] {
        let layer = Middleware::new(shop()).sign_in_page(page);
        let about = async || Reply::from("about us");
        let server = framework::serve!((), [get "/orders" orders, get "/who" who, get "/about" about], layer);
        let sentence = format!(
            "the sign-in page {page:?} of the session layer for `{}` is no path of this site; begin it with one `/`, \
             percent-encode spaces and what is not ASCII, and leave out `\\` and the segments `.` and `..`",
            std::any::type_name::<Shop>()
        );
        for path in ["/orders", "/who"] {
            let answer = look(&server, path, "").await;
            let expected = (StatusCode::INTERNAL_SERVER_ERROR, &*sentence);
            assert_eq!((answer.status, answer.body.as_str()), expected);
        }
        assert_page(&look(&server, "/about", "").await, "about us");
    }
}

// --- What the guarded handler has. ---

#[tokio::test]
async fn the_data_are_there_whatever_the_handler_does() {
    async fn update(mut session: RequireSession<Shop>) -> Result<Reply, WriteError> {
        session.update(|shop| shop.cart.push("plum".to_owned()))?;
        Ok(Reply::from(format!("{:?}", session.data().cart)))
    }
    async fn end(mut session: RequireSession<Shop>) -> Result<Reply, WriteError> {
        session.end()?;
        let (gone, data) = (session.get().is_none(), session.data());
        Ok(Reply::from(format!("{gone} {:?}", data.cart)))
    }
    async fn update_and_end(mut session: RequireSession<Shop>) -> Result<Reply, WriteError> {
        session.update(|shop| shop.cart.clear())?;
        session.end()?;
        Ok(Reply::from(format!("{:?}", session.data().cart)))
    }
    async fn end_and_start(mut session: RequireSession<Shop>) -> Result<Reply, WriteError> {
        session.end()?;
        session.start(Shop {
            user: Some(8),
            ..Shop::default()
        })?;
        Ok(Reply::from(format!("{:?}", session.data().user)))
    }
    async fn demote(mut session: RequireSession<Shop>) -> Result<Reply, WriteError> {
        session.update(|shop| shop.user = None)?;
        Ok(Reply::from(format!("{:?}", session.data().user)))
    }
    /// The text after the layer has finished the session.
    async fn late(mut session: RequireSession<Shop>) -> Result<Reply, WriteError> {
        session.update(|shop| shop.cart.push("fig".to_owned()))?;
        Ok(Reply::late(move || format!("{:?}", session.data().cart)))
    }
    async fn end_late(mut session: RequireSession<Shop>) -> Result<Reply, WriteError> {
        session.end()?;
        Ok(Reply::late(move || format!("{:?}", session.data().cart)))
    }
    async fn finish(session: RequireSession<Shop>) -> Reply {
        drop(session.finish_patch(200));
        Reply::from(format!("{:?}", session.data().cart))
    }
    let sessions = shop();
    let layer = Middleware::new(sessions.clone());
    let server = framework::serve!((), [
        get "/update" update, get "/end" end, get "/update-and-end" update_and_end, get "/end-and-start" end_and_start,
        get "/demote" demote, get "/late" late, get "/end-late" end_late, get "/finish" finish,
    ], layer);
    for (path, expected) in [
        ("/update", "[\"pear\", \"plum\"]"),
        ("/end", "true [\"pear\"]"),
        ("/update-and-end", "[\"pear\"]"),
        ("/end-and-start", "Some(8)"),
        ("/demote", "None"),
        ("/late", "[\"pear\", \"fig\"]"),
        ("/end-late", "[\"pear\"]"),
        ("/finish", "[\"pear\"]"),
    ] {
        let answer = look(&server, path, &cookies(&sessions, user())).await;
        assert_page(&answer, expected);
    }
}
