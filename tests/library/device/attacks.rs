//! What a thief gets with copies of cookies, and with an account and a device of his own.

use sealed_session::{Event, Reason};
use testkit::Seen;
use testkit::device::{offer, proof, registration, signing_key};

use super::*;

#[test]
fn a_copied_jar_dies_when_the_proof_ends() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    // The thief does not care about `Max-Age`.
    let jar = ada.device.browser.cookie_field();
    let thief = |cookies: &str| {
        let session = sessions.load(RequestFields::from_cookies([cookies.to_owned()]));
        (session.state(), session.device())
    };
    ada.pass(659);
    assert_eq!(thief(&jar), PROVEN);
    ada.pass(1);
    assert_eq!(thief(&jar), UNPROVEN);
    assert_eq!(ada.look(&sessions), PROVEN);
    // Each request of the thief meanwhile renews nothing beyond it, and without the activity cookie there is none.
    let without_activity: Vec<_> = jar
        .split("; ")
        .filter(|pair| !pair.starts_with("__Host-id-seen="))
        .collect();
    assert_eq!(
        thief(&without_activity.join("; ")).0,
        SessionState::Rejected(Reason::Idle)
    );
}

#[test]
fn a_thief_with_a_live_proof_renews_activity_but_never_the_proof() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    let mut thief = Visitor::new();
    thief.device.browser = ada.stolen();
    for _ in 0..4 {
        thief.pass(2 * MINUTE);
        assert_eq!(seen(&sessions, &thief.device.browser), PROVEN);
        let visit = thief.visit(&sessions, FETCH, |session| {
            session
                .update(|data| data["items"] = json!(9))
                .unwrap()
                .option()
                .expect("it is proven");
            session.cycle_id().unwrap();
            session.remember(true).unwrap();
            Ok(())
        });
        assert_eq!(value(&visit.headers, "Secure-Session-Registration"), None);
        assert!(!cookies(&visit.headers).0.contains(&"__Host-id-proof"));
    }
    thief.pass(3 * MINUTE);
    assert_eq!(thief.look(&sessions), UNPROVEN);
}

#[test]
fn a_thief_cannot_sign_and_a_recorded_proof_works_for_a_minute() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    ada.pass(12 * MINUTE);
    let jar = ada.stolen();
    let binding = ada.device.bindings[0].clone();
    let refresh = |proof: Option<&str>| sessions.refresh_device(&jar.fields(), Some(&binding.identifier), proof);
    let asked = headers(&refresh(None));
    let field = value(&asked, "Secure-Session-Challenge").unwrap();
    let challenge = field[1..].split('"').next().unwrap();
    assert_eq!(refresh(Some(&proof(&signing_key([200, 1]), challenge))).status(), 401);
    let recorded = proof(&binding.key, challenge);
    assert_eq!(refresh(Some(&recorded)).status(), 200);
    ada.pass(59);
    assert_eq!(refresh(Some(&recorded)).status(), 200);
    ada.pass(1);
    assert_eq!(refresh(Some(&recorded)).status(), 403);
    // None of this ended or disturbed the victim's session.
    assert_eq!(ada.look(&sessions), PROVEN);
}

/// The device key names the session for which it was registered.
#[test]
fn a_thief_binds_no_copy_of_a_plain_session_to_a_device_of_his_own() {
    let browser = Browser::at(START);
    let sessions = sessions(&browser);
    // Ada's browser binds nothing.
    let mut ada = Visitor::at(&browser, 1);
    ada.sign_in(&sessions);
    ada.device.bindings.clear();
    let mut thief = Visitor::at(&browser, 2);
    thief.bind(&sessions);
    let binding = thief.device.bindings[0].clone();
    let copy = ada.stolen();
    let seen_by = Seen::default();
    let observed = builder(&browser).observer(seen_by.observer()).build().unwrap();
    let asked = observed.refresh_device(&copy.fields(), Some(&binding.identifier), None);
    assert_eq!(asked.status(), 401);
    let id = observed.load(copy.fields()).id();
    let refused =
        |event: &Event| matches!(event, Event::ProofRefused { step: "session", reason: None, id: of } if *of == id);
    assert!(seen_by.take().iter().any(refused));
    // With his own proofs, too, and with his own activity cookie beside hers.
    let mine = format!("{}; {}", copy.cookie_field(), thief.device.browser.cookie_field());
    for cookies in [copy.cookie_field(), mine] {
        let fields = RequestFields::from_cookies([cookies]);
        let session = sessions.load(fields);
        assert!(session.id().is_some());
    }
    // He cannot register it: only the response to a sign-in has the challenge.
    let own = {
        let mut session = sessions.load(thief.device.browser.fields());
        session.start(json!(8)).unwrap();
        let mut headers = Vec::new();
        session.finish(200, &mut headers);
        offer(value(&headers, "Secure-Session-Registration").unwrap()).1
    };
    let answer = sessions.register_device(&copy.fields(), Some(&registration(&signing_key([2, 9]), &own)));
    assert_eq!(answer.status(), 400);
    ada.pass(20 * MINUTE);
    assert_eq!(ada.look(&sessions), UNBOUND);
}

#[test]
fn tokens_of_another_session_device_audience_or_bind_prove_nothing() {
    let browser = Browser::at(START);
    let sessions = sessions(&browser);
    let [mut ada, mut bob] = [1, 2].map(|seed| Visitor::at(&browser, seed));
    ada.bind(&sessions);
    bob.bind(&sessions);
    let elsewhere = super::super::builder(ring()).audience("blog").device_binding(binding());
    let elsewhere: Sessions<Value> = elsewhere.clock(browser.clock()).build().unwrap();
    let mut eve = Visitor::at(&browser, 1);
    eve.bind(&elsewhere);
    let pair = |visitor: &Visitor, name: &str| format!("{name}={}", visitor.device.browser.value(name).unwrap());
    let state = |session: &Visitor, activity: &Visitor, proof: &Visitor| {
        let cookies = [
            pair(session, "__Host-id"),
            pair(activity, "__Host-id-seen"),
            pair(proof, "__Host-id-proof"),
        ];
        let session = sessions.load(RequestFields::from_cookies([cookies.join("; ")]));
        (session.state(), session.device())
    };
    let rejected = |reason| (SessionState::Rejected(reason), DeviceState::Unbound);
    assert_eq!(state(&ada, &ada, &ada), PROVEN);
    assert_eq!(state(&bob, &bob, &bob), PROVEN);
    assert_eq!(state(&ada, &ada, &bob), UNPROVEN);
    assert_eq!(state(&ada, &bob, &bob), rejected(Reason::Idle));
    assert_eq!(state(&ada, &bob, &ada), rejected(Reason::Idle));
    // The same keys, another audience.
    assert_eq!(eve.device.bindings[0].key, ada.device.bindings[0].key);
    assert_eq!(state(&ada, &ada, &eve), UNPROVEN);
    assert_eq!(state(&ada, &eve, &ada), rejected(Reason::Idle));
    assert_eq!(state(&eve, &eve, &eve), rejected(Reason::NotOurs));
    // Several proofs and activity cookies, the right ones among them.
    let all = [&bob, &eve, &ada]
        .map(|visitor| visitor.device.browser.cookie_field())
        .join("; ");
    let session = sessions.load(RequestFields::from_cookies([all]));
    assert_eq!(session.device(), DeviceState::Proven);
    // Bound to a value that the request does not have.
    let fields = ada.device.browser.fields().with_bind("another channel");
    assert_eq!(sessions.load(fields).state(), SessionState::Rejected(Reason::NotOurs));
    let fields = ada.device.browser.fields().with_bind("another channel");
    let identifier = &ada.device.bindings[0].identifier;
    assert_eq!(sessions.refresh_device(&fields, Some(identifier), None).status(), 401);
}

/// With an account and a device of his own, a thief proves himself, and not the session that he copied.
#[test]
fn a_thiefs_own_proof_beside_a_copied_jar_opens_his_own_session() {
    let browser = Browser::at(START);
    let sessions = sessions(&browser);
    let [mut ada, mut thief] = [1, 2].map(|seed| Visitor::at(&browser, seed));
    // Of two sessions that open, the one that started last counts.
    thief.bind(&sessions);
    ada.bind(&sessions);
    let his = thief.device.browser.cookie_field();
    let his_id = sessions.load(thief.device.browser.fields()).id();
    ada.device.browser.remove("__Host-id-proof");
    let copied = ada.device.browser.cookie_field();
    for cookies in [format!("{copied}; {his}"), format!("{his}; {copied}")] {
        let session = sessions.load(RequestFields::from_cookies([cookies]));
        assert_eq!((session.id(), session.device()), (his_id, DeviceState::Proven));
    }
}

#[test]
fn a_proof_of_a_device_proves_each_session_that_is_bound_to_it_and_no_other() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    let first = ada.device.browser.cookie_field();
    ada.bind(&sessions);
    let second = ada.device.browser.value("__Host-id-proof").unwrap();
    // Each registration has a key of its own.
    let mixed: Vec<_> = first
        .split("; ")
        .filter(|pair| !pair.starts_with("__Host-id-proof="))
        .collect();
    let mixed = format!("{}; __Host-id-proof={second}", mixed.join("; "));
    let session = sessions.load(RequestFields::from_cookies([mixed]));
    assert!(session.id().is_none());
}

/// No server can tell it from a browser without device binding: `RequireDevice` is for the routes that matter.
#[test]
fn a_copy_from_before_the_first_refresh_goes_on_as_a_plain_session() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.sign_in(&sessions);
    let mut thief = Visitor::new();
    thief.device.browser = ada.stolen();
    ada.pass(2);
    assert_eq!(ada.look(&sessions), PROVEN);
    for _ in 0..5 {
        ada.pass(20 * MINUTE);
        assert_eq!(ada.look(&sessions), PROVEN);
        assert_eq!(thief.look(&sessions), UNBOUND);
        let visit = thief.visit(&sessions, FETCH, |session| {
            session.require_proof(Duration::from_secs(60))
        });
        assert_eq!((visit.status, visit.requests), (403, 1));
    }
    assert_eq!(ada.look(&sessions), PROVEN);
    // He cannot bind it, and the victim's sign-out ends it.
    ada.visit(&sessions, FETCH, |session| {
        session.end().unwrap();
        Ok(())
    });
    assert_eq!(thief.look(&sessions).0, SessionState::Rejected(Reason::Revoked));
}

#[test]
fn an_unproven_session_is_written_by_nothing_but_a_start_or_an_end() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    ada.device.browser.remove("__Host-id-proof");
    let load = || sessions.load(ada.device.browser.fields());
    let mut session = load();
    assert_eq!(session.update(|_| ()).unwrap(), sealed_session::Updated::NoSession);
    let started = session.update_or_start(|| json!(1), |_| ());
    assert!(matches!(started, Err(sealed_session::WriteError::Unproven)));
    session.cycle_id().unwrap();
    session.touch().unwrap();
    assert!(session.get().is_none());
    let mut headers = Vec::new();
    session.finish(200, &mut headers);
    assert_eq!(cookies(&headers), (vec![], vec![]));

    let mut session = load();
    session.start(json!(1)).unwrap();
    assert_eq!(session.device(), DeviceState::Unbound);
    let mut headers = Vec::new();
    session.finish(200, &mut headers);
    assert_eq!(cookies(&headers).0, ["__Host-id", "__Host-id-seen"]);
    assert!(value(&headers, "Secure-Session-Registration").is_some());
}
