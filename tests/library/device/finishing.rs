//! What the end of a request does to its response: the rows that device binding adds to the table of SPEC.md.

use super::*;

/// The header block after a request that did this, answered with this status.
fn finished(
    sessions: &Sessions<Value>,
    cookies: &str,
    status: u16,
    act: impl FnOnce(&mut Session<Value>),
) -> Vec<(String, String)> {
    let fields = RequestFields::from_cookies([cookies.to_owned()]);
    let mut session = sessions.load(fields);
    act(&mut session);
    let mut lines = vec![("Cache-Control".to_owned(), "public, max-age=60".to_owned())];
    session.finish(status, &mut lines);
    lines
}

fn read(session: &mut Session<Value>) {
    let _data = session.get();
}

fn change(session: &mut Session<Value>, field: &str) {
    session
        .update(|data| data[field] = json!(7))
        .unwrap()
        .option()
        .expect("there is a session");
}

const NONE: (Vec<&str>, Vec<&str>) = (vec![], vec![]);

/// Cookies of a bound session: proven, without a proof, and with a stray one.
fn jars(sessions: &Sessions<Value>, browser: &Browser) -> [String; 3] {
    let mut ada = Visitor::at(browser, 1);
    ada.bind(sessions);
    let proven = ada.device.browser.cookie_field();
    ada.device.browser.remove("__Host-id-proof");
    let unproven = ada.device.browser.cookie_field();
    let stray = format!("{unproven}; __Host-id-proof=BMade-up");
    [proven, unproven, stray]
}

#[test]
fn a_read_removes_a_stray_proof_where_the_response_may_carry_a_cookie() {
    let browser = Browser::at(START);
    let sessions = sessions(&browser);
    let [proven, unproven, stray] = jars(&sessions, &browser);
    for status in [200, 204, 206, 303, 401, 404] {
        let lines = finished(&sessions, &stray, status, read);
        assert_eq!(cookies(&lines), (vec![], vec!["__Host-id-proof"]), "{status}");
        assert_eq!(value(&lines, "Cache-Control"), Some("private, no-store"), "{status}");
    }
    for (jar, status) in [
        (&stray, 304),
        (&stray, 500),
        (&stray, 503),
        (&stray, 101),
        (&proven, 200),
        (&unproven, 200),
    ] {
        let lines = finished(&sessions, jar, status, read);
        assert_eq!(cookies(&lines), NONE, "{status}");
        assert_eq!(value(&lines, "Cache-Control"), Some("private, max-age=60"), "{status}");
    }
    // A response that did not look at the session stays as it is.
    let lines = finished(&sessions, &stray, 200, |_| ());
    assert_eq!(cookies(&lines), NONE);
    assert_eq!(value(&lines, "Cache-Control"), Some("public, max-age=60"));
}

#[test]
fn the_mark_of_having_been_asked_goes_with_the_next_response_that_may_carry_a_cookie() {
    let browser = Browser::at(START);
    let sessions = sessions(&browser);
    let [proven, unproven, stray] = jars(&sessions, &browser);
    for (jar, removed) in [
        (proven, vec!["__Host-id-asked"]),
        (stray, vec!["__Host-id-proof", "__Host-id-asked"]),
        // The browser has made no other proof yet.
        (unproven, vec![]),
    ] {
        let jar = format!("{jar}; __Host-id-asked=1");
        for status in [200, 303, 403] {
            let lines = finished(&sessions, &jar, status, read);
            assert_eq!(cookies(&lines), (vec![], removed.clone()), "{status}");
            let is_kept = value(&lines, "Cache-Control") == Some("private, no-store");
            assert_eq!(is_kept, !removed.is_empty(), "{status}");
        }
        for status in [304, 500] {
            assert_eq!(cookies(&finished(&sessions, &jar, status, read)), NONE);
        }
    }
}

#[test]
fn a_sign_out_removes_three_cookies_with_any_status_and_from_any_jar() {
    let browser = Browser::at(START);
    for status in [200, 303, 500] {
        for which in 0..3 {
            let sessions = sessions(&browser);
            let jar = &jars(&sessions, &browser)[which];
            let lines = finished(&sessions, jar, status, |session| session.end().unwrap());
            let all = vec!["__Host-id-proof", "__Host-id-seen", "__Host-id"];
            assert_eq!(cookies(&lines), (vec![], all), "{status} {which}");
            assert_eq!(value(&lines, "Cache-Control"), Some("private, no-store"));
        }
    }
    // Without device binding there is no third one.
    let plain: Sessions<Value> = super::super::builder(ring()).build().unwrap();
    let lines = finished(&plain, "", 200, |session| session.end().unwrap());
    assert_eq!(cookies(&lines).1, ["__Host-id-seen", "__Host-id"]);
}

#[test]
fn a_start_offers_to_register_where_the_session_is_sent_and_signed_in() {
    let browser = Browser::at(START);
    let build = |binding| {
        let is_signed_in = |data: &Value| data["user"] != Value::Null;
        builder(&browser)
            .signed_in_if(is_signed_in)
            .device_binding(binding)
            .build()
            .unwrap()
    };
    let sessions = build(binding());
    let offer = |sessions: &Sessions<Value>, jar: &str, status, act: fn(&mut Session<Value>)| {
        let lines = finished(sessions, jar, status, act);
        value(&lines, "Secure-Session-Registration").map(str::to_owned)
    };
    let sign_in = |session: &mut Session<Value>| session.start(json!({ "user": 7 })).unwrap();
    let guest = |session: &mut Session<Value>| session.start(json!({ "cart": [] })).unwrap();
    for status in [200, 201, 303, 401] {
        assert!(offer(&sessions, "", status, sign_in).is_some(), "{status}");
    }
    for status in [304, 500] {
        assert_eq!(offer(&sessions, "", status, sign_in), None, "{status}");
    }
    let field = offer(&sessions, "", 200, sign_in).unwrap();
    let (path, challenge) = testkit::device::offer(&field);
    assert_eq!((path.as_str(), challenge.len()), ("/device/register", 55));
    assert_eq!(offer(&sessions, "", 200, guest), None);
    assert_eq!(offer(&build(binding().offer(false)), "", 200, sign_in), None);
    // A write that signs in is a start. Others are none.
    let jar = sessions.cookie_for(json!({ "cart": [] })).unwrap();
    let signs_in = |session: &mut Session<Value>| change(session, "user");
    assert!(offer(&sessions, &jar, 200, signs_in).is_some());
    let jar = sessions.cookie_for(json!({ "user": 7 })).unwrap();
    let writes: [fn(&mut Session<Value>); 5] = [
        |session| change(session, "cart"),
        |session| session.cycle_id().unwrap(),
        |session| session.remember(true).unwrap(),
        |session| session.touch().unwrap(),
        read,
    ];
    for (number, write) in writes.into_iter().enumerate() {
        assert_eq!(offer(&sessions, &jar, 200, write), None, "{number}");
    }
    // A session that started and was remembered in one request is offered as well.
    let both = |session: &mut Session<Value>| {
        session.start(json!({ "user": 7 })).unwrap();
        session.remember(true).unwrap();
        session.cycle_id().unwrap();
    };
    assert!(offer(&sessions, "", 200, both).is_some());
}

#[test]
fn the_offer_is_for_the_session_that_is_sent() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    let visit = ada.visit(&sessions, FETCH, |session| {
        session.start(json!(1)).unwrap();
        session.cycle_id().unwrap();
        session.remember(true).unwrap();
        Ok(())
    });
    assert!(value(&visit.headers, "Secure-Session-Registration").is_some());
    assert_eq!(ada.device.bindings.len(), 1);
    ada.pass(2);
    assert_eq!(ada.look(&sessions), PROVEN);
}

#[test]
fn a_renewal_of_a_bound_session_keeps_its_device() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    let before = ada.device.browser.value("__Host-id-seen").unwrap().to_owned();
    ada.pass(5 * MINUTE);
    let visit = ada.visit(&sessions, PAGE, |session| Ok(session.get().is_some()));
    assert_eq!(cookies(&visit.headers), (vec!["__Host-id-seen"], vec![]));
    let after = ada.device.browser.value("__Host-id-seen").unwrap();
    assert_eq!((before.len(), after.len()), (66, 66));
    assert_ne!(before, after);
    assert_eq!(seen(&sessions, &ada.device.browser), PROVEN);
}

/// The endpoints send the session's cookies themselves: a middleware around them that reads the session takes none away.
#[test]
fn a_request_for_an_endpoint_renews_and_removes_nothing() {
    let browser = Browser::at(START);
    let sessions = sessions(&browser);
    let [proven, _, stray] = jars(&sessions, &browser);
    browser.pass(Duration::from_secs(9 * MINUTE));
    for (jar, address, sent) in [
        (&proven, "/device/refresh", NONE),
        (&stray, "/device/register?a=b", NONE),
        (&proven, "/device/other", (vec!["__Host-id-seen"], vec![])),
        (&stray, "/device", (vec![], vec!["__Host-id-proof"])),
    ] {
        let fields = RequestFields::from_cookies([jar.clone()]).with_target("POST", address);
        let session = sessions.load(fields);
        let _data = session.get();
        let mut lines = Vec::new();
        session.finish(200, &mut lines);
        assert_eq!(cookies(&lines), sent, "{address}");
        assert!(value(&lines, "Cache-Control").is_some_and(|line| line.starts_with("private")));
    }
}
