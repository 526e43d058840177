//! Proof on demand, and the answers that make the browser prove itself before a handler runs.

use super::*;

const ASKED: &str = "; Path=/; Max-Age=30; Secure; HttpOnly; SameSite=Lax";
const PROOF_REMOVED: &str =
    "__Host-id-proof=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax";

fn require(within: u64) -> impl Fn(&mut Session<Value>) -> Result<(), Answer> {
    move |session| session.require_proof(Duration::from_secs(within))
}

/// The answer to `require_proof` for a request with these cookies.
fn required(sessions: &Sessions<Value>, fields: RequestFields, within: u64) -> Option<Answer> {
    sessions.load(fields).require_proof(Duration::from_secs(within)).err()
}

#[test]
fn a_page_a_fetch_and_a_post_are_repeated_once_and_arrive_proven() {
    for request in [PAGE, FETCH, Request { method: "GET", ..FETCH }] {
        let mut ada = Visitor::new();
        let sessions = sessions(&ada.device.browser);
        ada.bind(&sessions);
        // The proof lasts still.
        ada.pass(2 * MINUTE);
        let visit = ada.visit(&sessions, request, require(60));
        assert_eq!((visit.result, visit.status, visit.requests), (Some(()), 200, 2));
        // The cookie that says so has done its work.
        assert_eq!(cookies(&visit.headers), (vec![], vec!["__Host-id-asked"]));
        assert_eq!(ada.visit(&sessions, request, require(60)).requests, 1);
        // Soon after, the next one is asked for again.
        ada.pass(11);
        assert_eq!(ada.visit(&sessions, request, require(10)).requests, 2);
    }
}

#[test]
fn within_counts_from_the_proof_and_is_at_least_ten_seconds() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    let proven = ada.device.browser.now();
    let says = |age: u64| {
        sessions
            .load_at(ada.fields(FETCH), proven + Duration::from_secs(age))
            .proven()
    };
    assert_eq!((says(0), says(659), says(660)), (Some(proven), Some(proven), None));
    let status = |within: Duration, age: u64| {
        let session = sessions.load_at(ada.fields(FETCH), proven + Duration::from_secs(age));
        session.require_proof(within).err().map(|answer| answer.status())
    };
    for (within, fresh) in [(0, 10), (9, 10), (10, 10), (60, 60), (600, 600)] {
        assert_eq!(status(Duration::from_secs(within), fresh), None, "{within}");
        assert_eq!(status(Duration::from_secs(within), fresh + 1), Some(307), "{within}");
    }
    assert_eq!(status(Duration::MAX, 659), None);
    assert_eq!(status(Duration::MAX, 660), Some(403), "there is no session");
    assert_eq!(status(Duration::from_millis(60_999), 60), None);
    assert_eq!(status(Duration::from_millis(60_999), 61), Some(307));
}

#[test]
fn the_answer_repeats_the_request_at_the_same_address() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    ada.pass(MINUTE);
    let mut session = sessions.load(ada.fields(PAGE));
    let answer = session.require_proof(Duration::ZERO).unwrap_err();
    // The marker holds the proof.
    let proof = ada.device.browser.cookie("__Host-id-proof").unwrap().value.clone();
    let asked = format!("__Host-id-asked={proof}{ASKED}");
    let expected = [
        ("Cache-Control", "private, no-store"),
        ("Location", "./account?tab=1"),
        ("Set-Cookie", PROOF_REMOVED),
        ("Set-Cookie", &asked),
    ];
    assert_eq!((answer.status(), answer.body()), (307, ""));
    assert_eq!(answer.headers().collect::<Vec<_>>(), expected);
    // The rest of the response adds nothing that a cache would store.
    let mut lines = headers(&answer);
    assert!(session.get().is_some());
    session.finish(307, &mut lines);
    assert_eq!(value(&lines, "Cache-Control"), Some("private, no-store"));
    assert_repeats(&lines, PAGE.address);
    assert_eq!(cookies(&lines), (vec!["__Host-id-asked"], vec!["__Host-id-proof"]));
    session.touch().unwrap_err();
}

#[test]
fn who_was_asked_a_moment_ago_is_refused_and_may_try_again() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    let ended = ada.device.bindings.split_off(0);
    ada.pass(MINUTE);
    // The browser proves nothing: the first answer removes the proof, the second refuses and puts it back.
    let before = ada.device.browser.cookie("__Host-id-proof").unwrap().value.clone();
    for _ in 0..3 {
        let visit = ada.visit(&sessions, FETCH, require(30));
        assert_eq!((visit.result, visit.status, visit.requests), (None, 403, 2));
        assert_eq!(
            cookies(&visit.headers),
            (vec!["__Host-id-proof"], vec!["__Host-id-asked"])
        );
        assert_eq!(value(&visit.headers, "Cache-Control"), Some("private, no-store"));
        assert_eq!(ada.device.browser.cookie("__Host-id-proof").unwrap().value, before);
        assert_eq!(seen(&sessions, &ada.device.browser), PROVEN, "still signed in");
    }
    // As long as the proof itself, and in the browser a minute less.
    ada.pass(9 * MINUTE - 1);
    assert_eq!(seen(&sessions, &ada.device.browser), PROVEN);
    let copy = ada.stolen().cookie_field();
    ada.pass(1);
    assert_eq!(seen(&sessions, &ada.device.browser), UNPROVEN);
    let load = || sessions.load(RequestFields::from_cookies([copy.replace("-proof=", "-asked=")]));
    assert_eq!(load().device(), DeviceState::Proven);
    ada.pass(MINUTE);
    assert_eq!(
        load().device(),
        DeviceState::Unproven,
        "a marker is no longer worth than its proof"
    );
    ada.device.bindings = ended;
    assert_eq!(ada.visit(&sessions, FETCH, require(30)).status, 200);
    // A thief who keeps the proof and leaves out the marker gets the same answer for ever.
    let jar = ada.device.browser.cookie_field();
    ada.pass(MINUTE);
    for _ in 0..3 {
        let fields = RequestFields::from_cookies([jar.clone()])
            .with_target("POST", "/pay")
            .with_sec_fetch_site("same-origin");
        assert_eq!(required(&sessions, fields, 30).map(|answer| answer.status()), Some(307));
    }
}

#[test]
fn a_proof_that_the_browser_has_made_meanwhile_is_not_replaced() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    ada.pass(MINUTE);
    let proof = ada.device.browser.value("__Host-id-proof").unwrap();
    let jar = format!("{}; __Host-id-asked={proof}", ada.device.browser.cookie_field());
    let fields = RequestFields::from_cookies([jar]).with_target("POST", "/pay");
    let answer = required(&sessions, fields.with_sec_fetch_site("same-origin"), 30).unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(cookies(&headers(&answer)), (vec![], vec!["__Host-id-asked"]));
}

#[test]
fn a_request_that_another_site_began_is_refused_at_once() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    ada.pass(MINUTE);
    let fields = |site: Option<&str>| {
        let fields = ada.device.browser.fields().with_target("GET", "/pay");
        match site {
            Some(site) => fields.with_sec_fetch_site(site),
            None => fields,
        }
    };
    let rows = [
        (Some("same-origin"), 307),
        (Some("none"), 307),
        (Some("same-site"), 403),
        (Some("cross-site"), 403),
        (Some("Same-Origin"), 403),
        (None, 403),
    ];
    for (site, status) in rows {
        let answer = required(&sessions, fields(site), 30).unwrap();
        assert_eq!(answer.status(), status, "{site:?}");
        let is_redirect = headers(&answer).iter().any(|(name, _)| name == "Location");
        assert_eq!(is_redirect, status == 307, "{site:?}");
        // A fresh proof is one, wherever the request comes from.
        assert!(required(&sessions, fields(site), 120).is_none(), "{site:?}");
    }
}

#[test]
fn no_address_leads_to_another_host() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    ada.pass(MINUTE);
    let answer = |target: Option<&str>| {
        let fields = ada.device.browser.fields().with_sec_fetch_site("same-origin");
        let fields = match target {
            Some(target) => fields.with_target("POST", target),
            None => fields,
        };
        required(&sessions, fields, 30).unwrap()
    };
    for target in ["https://evil.example/", "evil", "", "*", "\\\\evil", "javascript:x"] {
        let answer = answer(Some(target));
        assert_eq!(answer.status(), 403, "{target}");
        assert!(headers(&answer).iter().all(|(name, _)| name != "Location"));
    }
    assert_eq!(answer(None).status(), 403);
    for target in [
        "/",
        "/a//b",
        "/?next=//evil.example",
        "/%2F/evil.example",
        "//evil.example",
        "/a/?b/c",
        "/:x",
    ] {
        let answer = answer(Some(target));
        assert_eq!(answer.status(), 307, "{target}");
        assert_repeats(&headers(&answer), target);
    }
    // A browser takes `\` for `/`, and asks for no such address. On this host it stays all the same.
    let lines = headers(&answer(Some("/\\evil.example")));
    let here = url::Url::parse("https://shop.example/").unwrap();
    let next = here.join(value(&lines, "Location").unwrap()).unwrap();
    assert_eq!(next.host_str(), Some("shop.example"));
}

#[test]
fn a_session_that_is_not_proven_is_refused_at_once() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    let hour = 3600;
    assert_eq!(required(&sessions, ada.fields(FETCH), hour).unwrap().status(), 403);
    ada.sign_in(&sessions);
    assert_eq!(required(&sessions, ada.fields(FETCH), hour).unwrap().status(), 403);
    ada.pass(2);
    ada.look(&sessions);
    assert!(required(&sessions, ada.fields(FETCH), hour).is_none());
    ada.device.browser.remove("__Host-id-proof");
    assert_eq!(required(&sessions, ada.fields(FETCH), hour).unwrap().status(), 403);
    // So is one that starts in the request itself.
    let mut session = sessions.load(ada.fields(FETCH));
    session.start(json!(1)).unwrap();
    assert_eq!(session.require_proof(Duration::MAX).unwrap_err().status(), 403);
    let plain: Sessions<Value> = super::super::builder(ring()).build().unwrap();
    assert_eq!(required(&plain, ada.fields(FETCH), hour).unwrap().status(), 403);
}

#[test]
fn clocks_apart_refuse_and_do_not_go_in_circles() {
    for (ahead, status) in [(0, 200), (8, 200), (30, 403), (290, 403), (-30, 200), (-290, 200)] {
        let mut ada = Visitor::new();
        let proves = sessions(&ada.device.browser);
        ada.bind(&proves);
        ada.pass(MINUTE);
        let clock = ada.device.browser.clock();
        // The endpoints are served by one server, and the pages by another.
        let asks = builder(&ada.device.browser)
            .clock(move || clock() + time::Duration::seconds(ahead))
            .build()
            .unwrap();
        for requests in 1..=3 {
            ada.device.before("/pay", From::Here, &mut endpoints(&proves, None));
            let session = asks.load(ada.fields(FETCH));
            let answer = session.require_proof(Duration::from_secs(10)).err();
            let mut lines = answer.as_ref().map(headers).unwrap_or_default();
            let got = answer.map_or(200, |answer| answer.status());
            session.finish(got, &mut lines);
            // The clock of this server is that of its cookies, too.
            ada.device.receive(&lines);
            if got != 307 {
                assert_eq!(got, status, "{ahead}");
                break;
            }
            assert!(requests < 3, "{ahead}");
        }
    }
}

#[test]
fn a_change_of_the_lifetime_never_makes_an_old_proof_look_fresh() {
    let lasting = |browser: &Browser, seconds| {
        let binding = binding().proof_lifetime(Duration::from_secs(seconds));
        builder(browser).device_binding(binding).build().unwrap()
    };
    let mut ada = Visitor::new();
    let [short, long] = [660, 20 * MINUTE].map(|seconds| lasting(&ada.device.browser, seconds));
    // Made for long, judged for short.
    ada.bind(&long);
    ada.pass(659);
    assert_eq!(seen(&short, &ada.device.browser), PROVEN);
    assert_eq!(required(&short, ada.fields(FETCH), 658).unwrap().status(), 307);
    assert!(required(&short, ada.fields(FETCH), 659).is_none());
    ada.pass(1);
    assert_eq!(seen(&short, &ada.device.browser), UNPROVEN);
    assert_eq!(seen(&long, &ada.device.browser), PROVEN);
    assert_eq!(required(&long, ada.fields(FETCH), 659).unwrap().status(), 307);
    // Made for short, judged for long.
    let mut bob = Visitor::at(&ada.device.browser, 2);
    bob.bind(&short);
    let jar = bob.device.browser.cookie_field();
    bob.pass(659);
    let state = || sessions_state(&long, &jar);
    assert_eq!(state(), PROVEN);
    bob.pass(1);
    assert_eq!(state(), UNPROVEN);
}

fn sessions_state(sessions: &Sessions<Value>, jar: &str) -> (SessionState, DeviceState) {
    let session = sessions.load(RequestFields::from_cookies([jar.to_owned()]));
    (session.state(), session.device())
}

#[test]
fn the_step_is_for_pages_that_another_site_leads_to_and_for_stray_proofs() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    let proven = ada.device.browser.cookie_field();
    ada.device.browser.remove("__Host-id-proof");
    let unproven = ada.device.browser.cookie_field();
    let stray = format!("{unproven}; __Host-id-proof=BMade-up");
    let asked = format!("{stray}; __Host-id-asked=1");
    let mut guest = Visitor::at(&ada.device.browser, 3);
    guest.sign_in(&sessions);
    let plain = guest.device.browser.cookie_field();
    let status = |cookies: &str, method: &str, dest: Option<&str>, site: Option<&str>| {
        let mut fields = RequestFields::from_cookies([cookies.to_owned()]).with_target(method, "/page");
        fields = match dest {
            Some(dest) => fields.with_sec_fetch_dest(dest),
            None => fields,
        };
        fields = match site {
            Some(site) => fields.with_sec_fetch_site(site),
            None => fields,
        };
        sessions.load(fields).prove_first().map(|answer| answer.status())
    };
    for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS", "get"] {
        for dest in [Some("document"), Some("iframe"), Some("empty"), Some("image"), None] {
            for site in [
                Some("cross-site"),
                Some("same-site"),
                Some("same-origin"),
                Some("none"),
                None,
            ] {
                let row = (method, dest, site);
                let is_page = method == "GET" && dest == Some("document");
                let step = (is_page && matches!(site, Some("cross-site" | "same-site"))).then_some(200);
                let repeated = (is_page && matches!(site, Some("same-origin" | "none"))).then_some(307);
                assert_eq!(status(&unproven, method, dest, site), step, "{row:?}");
                assert_eq!(status(&stray, method, dest, site), step.or(repeated), "{row:?}");
                assert_eq!(status(&asked, method, dest, site), step, "{row:?}");
                for none in [&proven, &plain, "", "__Host-id=garbage"] {
                    assert_eq!(status(none, method, dest, site), None, "{row:?}");
                }
            }
        }
    }
    // Without an address there is nothing to repeat.
    let fields = ada
        .device
        .browser
        .fields()
        .with_sec_fetch_dest("document")
        .with_sec_fetch_site("cross-site");
    assert!(sessions.load(fields).prove_first().is_none());
}

#[test]
fn the_step_is_a_page_that_loads_itself_again_and_sets_no_cookie() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    ada.device.browser.remove("__Host-id-proof");
    let session = sessions.load(ada.fields(LINK));
    let answer = session.prove_first().unwrap();
    let lines = headers(&answer);
    assert_eq!(value(&lines, "Cache-Control"), Some("private, no-store"));
    assert_eq!(value(&lines, "Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(cookies(&lines), (vec![], vec![]));
    assert!(answer.body().contains("<meta http-equiv=\"refresh\" content=\"0\">"));
    assert!(
        !answer.body().contains("account"),
        "the page repeats nothing of the request"
    );
    let mut lines = headers(&answer);
    session.finish(200, &mut lines);
    assert_eq!(value(&lines, "Cache-Control"), Some("private, no-store"));
    assert_eq!(cookies(&lines), (vec![], vec![]));
}
