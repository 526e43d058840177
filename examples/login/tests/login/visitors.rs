//! Signing in and out, and what the browser and caches are told.

use crate::demo::{RingFile, Server};

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
    page.shows("No, the cookies end with the browser");
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
fn a_remembered_session_outlives_the_browser() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    let signed_in = browser.post("/sign-in", "name=Ada&remember=yes");
    let line = signed_in.set_cookie("login-demo");
    let age = line
        .split("; Max-Age=")
        .nth(1)
        .and_then(|rest| rest.split(';').next()?.parse::<u32>().ok());
    // The clock may have moved on since the sign-in.
    assert!(age.is_some_and(|age| (7_775_990..=7_776_000).contains(&age)), "{line}");
    assert!(signed_in.set_cookie("login-demo-seen").contains("; Max-Age=1209600;"));
    browser.get("/").shows("Yes, the cookies outlive the browser");

    let signed_in = browser.post("/sign-in", "name=Ada");
    assert!(!signed_in.set_cookie("login-demo").contains("Max-Age"));
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
    assert_eq!(browser.cookies.cookie_field(), "");
    let page = signed_out.follow(&mut browser);
    page.is_signed_out();
    page.answers("You are signed out.");

    thief.get("/").is_signed_out();
    server.logs("before the cut-off or its id is revoked");
}

#[test]
fn a_restart_keeps_all_visitors_signed_in() {
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
    let table = browser.get("/public");
    table.shows("without a cookie</th><td><code>Vary: Cookie</code></td>");

    let signed_in = browser.post("/sign-in", "name=Ada");
    let page = browser.get("/");
    let mut stranger = server.browser();
    stranger.cookies.put("login-demo=rubbish");
    for (response, row, cache_control) in [
        (
            &stranger.get("/"),
            "The home page, with a cookie that does not open",
            "private, no-cache",
        ),
        (&page, "The home page, with a session", "private, no-store"),
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
        table.shows(&format!(
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
