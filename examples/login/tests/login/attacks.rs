//! Altered cookies, forms and addresses of other sites, names that are markup.

use crate::demo::{RingFile, Server};

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
        let flipped = browser.post("/flip", &format!("part={part}"));
        flipped.sets(["login-demo", "login-demo-flipped"]);
        let altered = browser.cookies.cookie_field();
        assert_ne!(altered, before);
        let page = flipped.follow(&mut browser);
        page.is_signed_out();
        page.sets([]);
        page.answers("One bit is flipped: byte ");
        assert_eq!(page.body.matches("<mark>").count(), 1, "the byte is marked");
        page.shows(&format!("<button name=\"part\" value=\"{part}\">Flip it back"));
        assert_eq!(page.body.matches(" disabled>Flip a bit").count(), 1);
        page.shows("<a href=\"/operator\">the operator’s page</a> shows why");
        assert!(!page.body.contains(reason), "a visitor never gets to know the reason");
        server.logs(reason);
        browser.get("/operator").shows(reason);
        // One bit at a time.
        let other = if part == "head" { "state" } else { "head" };
        browser.post("/flip", &format!("part={other}")).sets([]);
        assert_eq!(browser.cookies.cookie_field(), altered);

        let restored = browser.post("/flip", &format!("part={part}"));
        assert_eq!(browser.cookies.cookie_field(), before, "the same bit again");
        let page = restored.follow(&mut browser);
        page.greets("Ada");
        page.answers("flipped back");
    }

    // A rejected cookie stays in the browser until the next sign-in.
    browser.post("/flip", "part=head");
    browser.get("/").is_signed_out();
    browser.sign_in("Grace");
    // The note about the bit is of the cookie before.
    let page = browser.get("/");
    page.greets("Grace");
    assert!(page.set_cookie("login-demo-flipped").contains("Max-Age=0"));
    browser.get("/").sets([]);
    browser.cookies.put("login-demo-flipped=head.<script>");
    browser.get("/").sets(["login-demo-flipped"]);

    // A cookie that is no token is neither drawn nor altered.
    browser.cookies.put("login-demo=\"<script>");
    let page = browser.get("/");
    page.is_signed_out();
    assert!(!page.body.contains("<script"));
    browser.post("/flip", "part=head").sets([]);

    // Nor is the first cookie of a session in several, which this demo does not have.
    let first = format!("Bw{}C{}", "A".repeat(37), "A".repeat(22));
    browser.cookies.put(&format!("login-demo={first}"));
    browser.get("/").is_signed_out();
}

#[test]
fn forms_of_other_sites_are_refused() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    browser.sign_in("Ada");
    for path in [
        "/sign-in",
        "/sign-out",
        "/sign-out-everywhere",
        "/basket",
        "/orders",
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
    // Old browsers.
    let own = format!("http://{}", server.address);
    for (origin, status) in [
        (&*own, 303),
        ("http://127.0.0.1:1", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ] {
        let answer = browser.request("POST", "/basket", &[("Origin", origin)], "item=tea&change=add");
        assert_eq!(answer.status, status, "{origin}");
    }
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
fn a_sign_in_leads_to_no_other_site() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    for next in [
        "%2F%2Fevil.example",
        "https%3A%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "javascript%3Aalert(1)",
        "",
    ] {
        let signed_in = browser.post(&format!("/sign-in?next={next}"), "name=Ada");
        assert_eq!(
            (signed_in.status, signed_in.field("Location")),
            (303, Some("/")),
            "{next}"
        );
    }
}

#[test]
fn an_address_makes_a_page_say_nothing_that_is_not_so() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    browser.get("/?done=restored").answers_nothing();
    browser.get("/?done=basket-kept").answers_nothing();
    browser.sign_in("Ada");
    for word in [
        "signed-out",
        "signed-out-everywhere",
        "basket-kept",
        "ordered",
        "rotated",
        "%3Cb%3E",
        "x",
        "",
    ] {
        let page = browser.get(&format!("/?done={word}"));
        page.greets("Ada");
        page.answers_nothing();
    }
    for word in ["rotated", "everybody-signed-out", "signed-out"] {
        browser.get(&format!("/operator?done={word}")).answers_nothing();
    }
    browser.get("/orders?done=ordered").answers_nothing();
    let (mut guest, mut refused) = (server.browser(), server.browser());
    guest.post("/basket", "item=tea&change=add");
    refused.cookies.put("login-demo=rubbish");
    for word in ["signed-out", "signed-out-everywhere"] {
        guest.get(&format!("/?done={word}")).answers_nothing();
        refused.get(&format!("/?done={word}")).answers_nothing();
    }
    refused.get("/?done=basket-changed").answers_nothing();
    assert_eq!(browser.get("/elsewhere").status, 404);
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
    assert!(policy.starts_with("default-src 'none'; style-src 'self'; form-action 'self'"));
    assert_eq!(page.field("X-Content-Type-Options"), Some("nosniff"));
    assert!(!page.body.contains("<style") && !page.body.contains(" style="));
    let style = browser.get("/style.css");
    assert_eq!(
        (style.status, style.field("Content-Type")),
        (200, Some("text/css; charset=utf-8"))
    );
    style.sets([]);
    assert_eq!(style.field("Vary"), None);
    browser.get("/orders").shows("<h1>Orders of &lt;script&gt;");

    for name in ["", "%20", &"a".repeat(41), "a%0Ab"] {
        let refused = browser.post("/sign-in", &format!("name={name}"));
        assert_eq!(refused.status, 422, "{name}");
        refused.sets([]);
    }
    browser.sign_in(&"%C3%A9".repeat(40));
    browser.get("/").greets(&"é".repeat(40));
}
