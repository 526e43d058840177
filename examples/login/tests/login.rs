//! The login example as a visitor meets it: the real program, over real HTTP.

mod demo;

use std::fs;

use demo::{RingFile, Server, command};

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
    // A request that changes nothing sends no cookie.
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
fn rotating_the_secret_signs_no_visitor_out() {
    let ring = RingFile::new();
    let server = Server::start(&ring);
    let mut browser = server.browser();
    browser.sign_in("Ada");
    let first = ring.key_ids().remove(0);
    for rotations in 1..=3 {
        browser.post("/rotate", "").sets([]);
        server.logs(&format!("key {} seals", ring.key_ids()[0]));
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
    // The activity cookie is still the first one. Its key is gone, and with it the proof of activity.
    browser.get("/").is_signed_out();
    server.logs("the session was not used within the idle timeout");
}

#[test]
fn an_altered_cookie_is_no_session_and_the_terminal_shows_why() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    browser.sign_in("Ada");
    for (part, reason) in [
        ("head", "the check does not match"),
        ("state", "the head is genuine but the sealed state was altered"),
    ] {
        let before = browser.cookies.cookie_field();
        browser.post("/flip", &format!("part={part}")).sets(["login-demo"]);
        assert_ne!(browser.cookies.cookie_field(), before);
        let page = browser.get("/");
        page.is_signed_out();
        page.sets([]);
        page.shows("the terminal shows why");
        assert!(!page.body.contains(reason), "a visitor never gets to know the reason");
        server.logs(reason);

        browser.post("/flip", &format!("part={part}"));
        assert_eq!(browser.cookies.cookie_field(), before, "the same bit again");
        browser.get("/").greets("Ada");
    }

    // A rejected cookie stays in the browser until the next sign-in.
    browser.post("/flip", "part=head");
    browser.get("/").is_signed_out();
    browser.sign_in("Grace");
    browser.get("/").greets("Grace");

    // A cookie that is no token is neither drawn nor altered.
    browser.cookies.put("login-demo=\"<script>");
    let page = browser.get("/");
    page.is_signed_out();
    assert!(!page.body.contains("<script"));
    browser.post("/flip", "part=head").sets([]);
}

#[test]
fn the_cut_off_signs_all_visitors_out() {
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
    assert_eq!(browser.cookies.cookie_field(), "");
    browser.get("/").is_signed_out();

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
    anonymous.shows("without a cookie</th><td><code>Vary: Cookie</code></td>");

    let signed_in = browser.post("/sign-in", "name=Ada");
    let page = browser.get("/");
    let mut stranger = server.browser();
    stranger.cookies.put("login-demo=rubbish");
    for (response, row, cache_control) in [
        (
            &stranger.get("/"),
            "This page, with a cookie that does not open",
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
