//! What operators do and see: the ring, the cut-off, the events.

use std::fs;

use crate::demo::{RingFile, Server, command};

#[test]
fn rotating_the_secret_signs_no_visitor_out() {
    let ring = RingFile::new();
    let server = Server::start(&ring);
    let mut browser = server.browser();
    browser.sign_in("Ada");
    let first = ring.key_ids().remove(0);
    for rotations in 1..=3 {
        let rotated = browser.post("/rotate", "");
        rotated.is_sent_to("/operator");
        rotated.sets([]);
        server.logs(&format!("key {} seals", ring.key_ids()[0]));
        let ids = ring.key_ids();
        assert_eq!(ids.len(), rotations + 1);
        let page = rotated.follow(&mut browser);
        page.answers(&format!("The secret was rotated: <code>{}</code> seals, ", ids[0]));
        let opens = if rotations == 1 { "only opens." } else { "only open." };
        ids.iter().for_each(|id| page.answers(&format!("<code>{id}</code>")));
        page.answers(opens);
        page.answers("You are still signed in.");
        page.shows_key(&ids[0], "seals and opens", false);
        page.shows_key(&first, "opens", true);
        let page = browser.get("/");
        page.greets("Ada");
        page.sets([]);
    }
    // Four keys stay. A write seals under the newest, so that the oldest may go.
    let newest = ring.key_ids().remove(0);
    browser.post("/basket", "item=tea&change=add").sets(["login-demo"]);
    browser.get("/operator").shows_key(&newest, "seals and opens", true);
    browser.post("/rotate", "");
    let ids = ring.key_ids();
    assert!(ids.len() == 4 && ids.contains(&newest) && !ids.contains(&first));
    // The activity cookie is still the first one. Its key is gone, and with it the proof of activity.
    browser.get("/").is_signed_out();
    server.logs("the session was not used within the idle timeout");
}

#[test]
fn the_cut_off_signs_all_visitors_out() {
    let server = Server::start(&RingFile::new());
    let (mut ada, mut grace) = (server.browser(), server.browser());
    ada.sign_in("Ada");
    grace.sign_in("Grace");
    let page = ada.post("/sign-everybody-out", "").follow(&mut ada);
    page.answers("All sessions that started before ");
    server.logs("before the cut-off or its id is revoked");
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
fn the_operator_sees_what_happened_and_no_cookie() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    browser.sign_in("Ada%20%3Ci%3E");
    let id = browser.get("/").session_id();
    browser.post("/basket", "item=tea&change=add");
    let mut stranger = server.browser();
    stranger.cookies.put("login-demo=rubbish");
    for _ in 0..2 {
        stranger.get("/");
    }
    let cookies = browser.cookies.cookie_field();
    browser.post("/sign-out", "");

    let page = browser.get("/operator");
    assert_eq!((page.status, page.field("Cache-Control")), (200, Some("no-store")));
    page.answers_nothing();
    for (event, count) in [
        ("Started", 1),
        ("Updated", 1),
        ("Rejected: malformed", 2),
        ("Revoked", 1),
        ("Ended", 1),
    ] {
        page.shows(&format!(
            "<tr><th scope=\"row\">{event}</th><td class=\"number\">{count}</td></tr>"
        ));
    }
    page.shows(&format!("session {id}: copies of its cookie no longer open"));
    page.shows("<span class=\"level debug\">debug</span></td><th scope=\"row\">Rejected</th>");
    page.shows("<dt>Revoked sessions</dt><dd>1</dd>");
    page.shows("<dt>Cut-off</dt><dd>none</dd>");
    for pair in cookies.split("; ") {
        let value = pair.split_once('=').expect("a pair").1;
        assert!(!page.body.contains(value) && !page.body.contains(&value[..20]));
    }
    assert!(!page.body.contains("rubbish") && !page.body.contains("Ada"));
    // A look at the page is no event, whatever cookies come.
    stranger.get("/operator");
    stranger
        .get("/operator")
        .shows("<th scope=\"row\">Rejected: malformed</th><td class=\"number\">2</td>");
    // The last thirty are kept.
    for _ in 0..40 {
        stranger.get("/");
    }
    let page = browser.get("/operator");
    assert_eq!(page.body.matches("<span class=\"level").count(), 30);
    page.shows("<th scope=\"row\">Rejected: malformed</th><td class=\"number\">42</td>");
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

#[test]
#[cfg(unix)]
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
    server.browser().post("/rotate", "").is_sent_to("/operator");
    assert_eq!(mode(), 0o600);
}
