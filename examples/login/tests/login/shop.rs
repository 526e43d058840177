//! The basket, of guests and of users, and the orders.

use crate::demo::{RingFile, Server};

#[test]
fn the_basket_travels_in_the_cookie() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
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
    // An empty basket ends no session of a user.
    let changed = browser.post("/basket", "item=tea&change=remove");
    changed.sets(["login-demo"]);
    let page = changed.follow(&mut browser);
    page.greets("Ada");
    page.answers("the same id");
    for _ in 0..100 {
        browser.post("/basket", "item=tea&change=add").is_sent_home();
    }
    browser.get("/").shows("{&quot;tea&quot;:99}");
    browser.post("/basket", "item=tea&change=add").sets([]);
}

#[test]
fn a_guest_has_a_session_as_long_as_there_is_something_in_the_basket() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    browser.post("/basket", "item=tea&change=remove").sets([]);
    browser.post("/sign-out", "").is_sent_home();
    browser.get("/").shows("You have no session");

    let added = browser.post("/basket", "item=tea&change=add");
    added.sets(["login-demo", "login-demo-seen"]);
    let page = added.follow(&mut browser);
    page.is_signed_out();
    page.answers("You are a guest with a session");
    page.shows("{&quot;basket&quot;:{&quot;tea&quot;:1}}");
    assert_eq!(page.field("Cache-Control"), Some("private, no-store"));
    let id = page.session_id();
    browser.post("/basket", "item=tea&change=add").sets(["login-demo"]);
    assert_eq!(browser.get("/").session_id(), id);
    // There is no user to sign out everywhere.
    browser.post("/sign-out-everywhere", "").sets([]);

    browser.post("/basket", "item=tea&change=remove").sets(["login-demo"]);
    let emptied = browser.post("/basket", "item=tea&change=remove");
    for name in ["login-demo", "login-demo-seen"] {
        assert!(emptied.set_cookie(name).contains("Max-Age=0"));
    }
    let page = emptied.follow(&mut browser);
    page.answers("your session has ended");
    page.shows("You have no session");
    assert_eq!(browser.cookies.cookie_field(), "");
}

#[test]
fn a_guest_signs_in_on_the_way_to_the_orders_and_keeps_the_basket() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    browser.post("/basket", "item=honey&change=add");
    let guest = browser.get("/").session_id();
    let copy = browser.cookies.clone();

    let navigate = [("Sec-Fetch-Mode", "navigate")];
    let sent = browser.request("GET", "/orders", &navigate, "");
    assert_eq!(
        (sent.status, sent.field("Location")),
        (303, Some("/sign-in?next=%2Forders"))
    );
    let form = browser.get("/sign-in?next=%2Forders");
    // Without an action, it is sent to the same address.
    form.shows("<form class=\"card stack\" method=\"post\">");
    assert_eq!(
        form.body,
        browser.get("/sign-in").body,
        "nothing of the address is in the page"
    );
    let refused = browser.post("/sign-in?next=%2Forders", "name=");
    assert_eq!(refused.status, 422);
    refused.shows("<form class=\"card stack\" method=\"post\">");
    let signed_in = browser.post("/sign-in?next=%2Forders", "name=Ada");
    assert_eq!((signed_in.status, signed_in.field("Location")), (303, Some("/orders")));

    let page = browser.get("/orders");
    page.shows("<h1>Orders of Ada.</h1>");
    page.shows("<p>1 honey</p>");
    page.answers_nothing();
    assert_eq!(page.field("Cache-Control"), Some("private, no-store"));
    let home = browser.get("/");
    home.greets("Ada");
    assert_ne!(home.session_id(), guest);
    // The copy of the guest's cookie is worth nothing.
    let mut thief = server.browser();
    thief.cookies = copy;
    thief.get("/").shows("does not open as a session");

    let ordered = browser.post("/orders", "");
    ordered.sets(["login-demo"]);
    let page = ordered.follow(&mut browser);
    page.answers("You have ordered 1 honey.");
    page.shows("<li>1 honey<br>");
    page.shows("Fill your basket");
    browser
        .get("/")
        .shows("{&quot;name&quot;:&quot;Ada&quot;,&quot;basket&quot;:{}}");
    // An order of nothing is none.
    browser.post("/orders", "").is_sent_to("/orders");
    assert_eq!(browser.get("/orders").body.matches("<li>").count(), 1);

    // Another user has other orders, and does not get this user's basket.
    browser.post("/basket", "item=bread&change=add");
    browser.sign_in("Grace");
    browser.get("/orders").shows("<p>None yet.</p>");
    browser
        .get("/")
        .shows("{&quot;name&quot;:&quot;Grace&quot;,&quot;basket&quot;:{}}");
    let signed_out = browser.post("/sign-out", "").follow(&mut browser);
    signed_out.answers("You are signed out.");
    assert_eq!(browser.post("/orders", "").status, 401);
}
