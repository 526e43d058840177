//! Nobody is locked out: a visitor's browser, and all that goes wrong around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sealed_session::{Event, Reason};
use testkit::{Seen, after};

use super::*;

#[test]
fn a_sign_in_registers_and_the_first_refresh_binds() {
    let mut ada = Visitor::new();
    let seen = Seen::default();
    let sessions = builder(&ada.device.browser).observer(seen.observer()).build().unwrap();
    ada.sign_in(&sessions);
    assert_eq!(ada.device.bindings.len(), 1);
    let id = sessions.load(ada.device.browser.fields()).id().unwrap();
    // The instructions came, and nothing is bound yet.
    assert_eq!(super::seen(&sessions, &ada.device.browser), UNBOUND);
    seen.take();
    // The first proof ends at once, so that the browser makes the next one soon; that one a minute before it is too old.
    let lasts = |ada: &Visitor| {
        let proof = ada.device.browser.cookie("__Host-id-proof").unwrap();
        (proof.expires.unwrap() - ada.device.browser.now()).whole_seconds()
    };
    assert_eq!(lasts(&ada), 1);
    ada.pass(1);
    assert_eq!(ada.look(&sessions), PROVEN);
    assert_eq!(lasts(&ada), 600);
    let is_bound = |event: &Event| matches!(event, Event::Bound { id: of } if *of == id);
    assert_eq!(seen.take().iter().filter(|event| is_bound(event)).count(), 1);
    // The challenge and its proof are used again, and the session is bound already.
    ada.pass(601);
    assert_eq!(ada.look(&sessions), PROVEN);
    assert!(!seen.take().iter().any(is_bound));
}

#[test]
fn a_refresh_keeps_the_session_proven_while_the_visitor_is_active() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    let refreshes = ada.device.refreshes;
    for _ in 0..60 {
        ada.pass(3 * MINUTE);
        assert_eq!(ada.look(&sessions), PROVEN);
    }
    // At most two posts for each of the proofs, of which one lasts 8 minutes.
    assert!(ada.device.refreshes - refreshes <= 2 * 3 * 60 / 8);
}

#[test]
fn a_browser_without_device_binding_stays_signed_in() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    let mut session = sessions.load(ada.device.browser.fields());
    session.start(json!(1)).unwrap();
    let mut headers = Vec::new();
    session.finish(303, &mut headers);
    assert!(value(&headers, "Secure-Session-Registration").is_some());
    ada.device.browser.receive(&headers);
    for _ in 0..24 {
        ada.pass(25 * MINUTE);
        assert_eq!(ada.look(&sessions), UNBOUND);
    }
}

#[test]
fn a_late_write_of_a_parallel_request_loses_neither_data_nor_binding() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.sign_in(&sessions);
    ada.pass(10 * MINUTE);
    // It came in before the session was bound, writes, and notes activity.
    let mut late = sessions.load(ada.device.browser.fields());
    assert_eq!(late.device(), DeviceState::Unbound);
    assert_eq!(ada.look(&sessions), PROVEN);
    late.update(|data| data["items"] = json!(1))
        .unwrap()
        .option()
        .expect("it is open");
    let mut headers = Vec::new();
    late.finish(200, &mut headers);
    assert_eq!(cookies(&headers).0, ["__Host-id", "__Host-id-seen"]);
    ada.device.receive(&headers);
    assert_eq!(
        seen(&sessions, &ada.device.browser),
        UNBOUND,
        "the plain activity cookie came last"
    );
    // The next refresh binds again.
    ada.pass(9 * MINUTE);
    ada.look(&sessions);
    assert_eq!(ada.look(&sessions), PROVEN);
    let items = ada.visit(&sessions, PAGE, |session| {
        Ok(session.get().map(|data| data["items"].clone()))
    });
    assert_eq!(items.result, Some(Some(json!(1))));
}

#[test]
fn a_refresh_that_another_site_begins_comes_without_cookies_and_ends_nothing() {
    let mut ada = Visitor::new();
    let binding = binding().allow_initiator("mail.example");
    let sessions = builder(&ada.device.browser).device_binding(binding).build().unwrap();
    ada.bind(&sessions);
    ada.pass(12 * MINUTE);
    let link = Request {
        from: From::Host("mail.example"),
        ..PAGE
    };
    let visit = ada.visit(&sessions, link, |session| Ok((session.state(), session.device())));
    assert_eq!((visit.result, visit.requests), (Some(PROVEN), 1));
    assert_eq!(ada.device.bindings.len(), 1);
}

#[test]
fn a_late_refresh_of_the_session_before_makes_the_browser_prove_the_right_one() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    let before = ada.clone();
    ada.bind(&sessions);
    assert_eq!(ada.device.bindings.len(), 1, "a 401 ended the older binding");
    // The answer to the older session's refresh arrives last. The server had it before the sign-in.
    let older = before.device.browser.value("__Host-id-proof").unwrap().to_owned();
    assert_ne!(ada.device.browser.value("__Host-id-proof"), Some(older.as_str()));
    ada.device.browser.put(&format!("__Host-id-proof={older}"));
    let visit = ada.visit(&sessions, PAGE, |session| Ok((session.state(), session.device())));
    assert_eq!((visit.result, visit.requests), (Some(PROVEN), 2));
    // A request that is not repeated finds no session once: its response removes the stray cookie.
    ada.device.browser.put(&format!("__Host-id-proof={older}"));
    let visit = ada.visit(&sessions, FETCH, |session| Ok((session.state(), session.device())));
    assert_eq!(visit.result, Some(UNPROVEN));
    assert_eq!(cookies(&visit.headers), (vec![], vec!["__Host-id-proof"]));
    assert_eq!(ada.look_at(&sessions, FETCH), PROVEN);
}

#[test]
fn a_browser_that_refuses_the_instructions_stays_signed_in() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.sign_in(&sessions);
    ada.device.bindings.clear();
    for _ in 0..20 {
        ada.pass(20 * MINUTE);
        assert_eq!(ada.look(&sessions), UNBOUND);
    }
}

#[test]
fn endpoints_that_fail_for_a_while_end_nothing() {
    for outage in [Outage::Status(500), Outage::Status(503), Outage::Unreachable] {
        let mut ada = Visitor::new();
        let sessions = sessions(&ada.device.browser);
        ada.bind(&sessions);
        ada.pass(12 * MINUTE);
        ada.outage = Some(outage);
        for request in [PAGE, FETCH, PAGE] {
            assert_eq!(ada.look_at(&sessions, request), UNPROVEN);
        }
        ada.outage = None;
        assert_eq!(ada.look(&sessions), PROVEN);

        // Before the session is bound, it stays as it is.
        let mut bob = Visitor::at(&ada.device.browser, 2);
        bob.outage = Some(outage);
        bob.sign_in(&sessions);
        bob.pass(20 * MINUTE);
        assert_eq!(bob.look(&sessions), UNBOUND);
    }
}

/// One that is 6 minutes ahead renews the activity beyond what another one takes.
#[test]
fn a_server_with_a_wrong_clock_ends_no_binding() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    let clock = ada.device.browser.clock();
    let fast = builder(&ada.device.browser)
        .clock(move || clock() + Duration::from_secs(6 * MINUTE))
        .build()
        .unwrap();
    ada.bind(&sessions);
    ada.pass(9 * MINUTE);
    assert_eq!(ada.look(&fast), PROVEN);
    ada.device.browser.remove("__Host-id-proof");
    assert_eq!(ada.look(&sessions).0, SessionState::Rejected(Reason::Idle));
    assert_eq!(ada.device.bindings.len(), 1, "it goes on");
    ada.pass(2 * MINUTE);
    assert_eq!(ada.look(&sessions), PROVEN);
}

#[test]
fn an_application_that_refuses_sessions_for_a_while_ends_no_binding() {
    let mut ada = Visitor::new();
    let refuses = Arc::new(AtomicBool::new(false));
    let check = Arc::clone(&refuses);
    let sessions = builder(&ada.device.browser)
        .refuse_if(move |_| check.load(Ordering::Relaxed))
        .build()
        .unwrap();
    ada.bind(&sessions);
    ada.pass(12 * MINUTE);
    refuses.store(true, Ordering::Relaxed);
    assert_eq!(ada.look(&sessions), UNPROVEN);
    refuses.store(false, Ordering::Relaxed);
    assert_eq!(ada.look(&sessions), PROVEN);
}

/// So nothing may answer in the endpoints' place.
#[test]
fn a_rate_limit_before_the_endpoints_ends_the_binding_and_the_visitor_signs_in_again() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    ada.pass(12 * MINUTE);
    ada.outage = Some(Outage::Status(429));
    assert_eq!(ada.look(&sessions), UNPROVEN);
    ada.outage = None;
    assert_eq!(ada.look(&sessions), UNPROVEN);
    ada.bind(&sessions);
}

#[test]
fn a_server_restarts_and_two_servers_with_one_ring_take_turns() {
    let mut ada = Visitor::new();
    let servers = [sessions(&ada.device.browser), sessions(&ada.device.browser)];
    ada.sign_in(&servers[0]);
    for turn in 1..60 {
        ada.pass(4 * MINUTE);
        let state = ada.look(&servers[turn % 2]);
        assert_eq!(state, PROVEN);
    }
    let restarted = sessions(&ada.device.browser);
    ada.pass(12 * MINUTE);
    assert_eq!(ada.look(&restarted), PROVEN);
}

/// Every server opens bound sessions and answers at the endpoints before one offers.
#[test]
fn a_deploy_that_first_opens_and_then_offers_loses_nobody() {
    let mut ada = Visitor::new();
    let plain = super::super::builder(ring())
        .audience("shop")
        .clock(ada.device.browser.clock());
    let plain: Sessions<Value> = plain.build().unwrap();
    let opens = builder(&ada.device.browser)
        .device_binding(binding().offer(false))
        .build()
        .unwrap();
    let offers = sessions(&ada.device.browser);
    // First step: some servers open, the others know nothing of device binding.
    ada.sign_in(&opens);
    assert!(!ada.device.has_offer() && ada.device.bindings.is_empty());
    for server in [&plain, &opens, &plain, &opens] {
        ada.pass(20 * MINUTE);
        assert_eq!(ada.look(server), UNBOUND);
    }
    // Second step: all open, and some offer.
    ada.sign_in(&offers);
    ada.pass(2);
    for server in [&opens, &offers, &opens, &opens, &offers] {
        assert_eq!(ada.look(server), PROVEN);
        ada.pass(12 * MINUTE);
    }
}

/// The other order: that server says *idle*, and has no endpoint.
#[test]
fn a_server_without_device_binding_beside_one_that_offers_has_no_session_for_bound_visitors() {
    let mut ada = Visitor::new();
    let plain = super::super::builder(ring())
        .audience("shop")
        .clock(ada.device.browser.clock());
    let plain: Sessions<Value> = plain.build().unwrap();
    let offers = sessions(&ada.device.browser);
    ada.bind(&offers);
    let idle = (SessionState::Rejected(Reason::Idle), DeviceState::Unbound);
    assert_eq!(ada.look(&plain), idle);
    assert_eq!(ada.look(&offers), PROVEN);
    let fields = ada.device.browser.fields();
    assert_eq!(plain.refresh_device(&fields, None, None).status(), 404);
    assert_eq!(plain.register_device(&fields, None).status(), 404);
}

/// The way back: no server offers, until the last bound session has ended.
#[test]
fn servers_that_no_longer_offer_go_on_refreshing() {
    let mut ada = Visitor::new();
    ada.bind(&sessions(&ada.device.browser));
    let opens = builder(&ada.device.browser)
        .device_binding(binding().offer(false))
        .build()
        .unwrap();
    for _ in 0..20 {
        ada.pass(12 * MINUTE);
        assert_eq!(ada.look(&opens), PROVEN);
    }
}

#[test]
fn a_remembered_session_is_proven_after_a_restart_of_the_browser_and_an_ordinary_one_is_gone() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    ada.device.browser.restart();
    ada.pass(12 * MINUTE);
    assert_eq!(ada.look(&sessions), (SessionState::Absent, DeviceState::Unbound));
    assert!(ada.device.bindings.is_empty(), "a 401 ended the binding");

    let remember = |session: &mut Session<Value>| {
        session.start(json!({ "user": 7 })).unwrap();
        session.remember(true).unwrap();
        Ok(())
    };
    ada.visit(&sessions, FETCH, remember);
    ada.pass(2);
    assert_eq!(ada.look(&sessions), PROVEN);
    for days in [1, 9, 9, 9] {
        ada.pass(days * DAY);
        ada.device.browser.restart();
        assert_eq!(ada.look(&sessions), PROVEN);
    }
    ada.pass(10 * DAY);
    assert!(!matches!(ada.look(&sessions).0, SessionState::Valid));
}

#[test]
fn a_second_sign_in_replaces_the_binding() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    let first = ada.device.bindings[0].identifier.clone();
    ada.sign_in(&sessions);
    assert_eq!(ada.device.bindings.len(), 2);
    assert_eq!(ada.look(&sessions), UNBOUND);
    ada.pass(12 * MINUTE);
    assert_eq!(ada.look(&sessions), PROVEN);
    assert_eq!(ada.device.bindings.len(), 1);
    assert_ne!(ada.device.bindings[0].identifier, first);
}

#[test]
fn a_quota_that_is_used_up_locks_out_until_the_browser_signs_again() {
    let mut ada = Visitor::new();
    let short = binding().proof_lifetime(Duration::from_secs(61));
    let sessions = builder(&ada.device.browser).device_binding(short).build().unwrap();
    ada.sign_in(&sessions);
    let mut states = Vec::new();
    for _ in 0..12 {
        ada.pass(MINUTE + 1);
        states.push(ada.look(&sessions));
    }
    assert!(states.contains(&UNPROVEN), "the quota is used up");
    ada.pass(9 * MINUTE);
    assert_eq!(ada.look(&sessions), PROVEN);
    assert_eq!(ada.device.bindings.len(), 1);
    // A sign-in that may not register is a session like any other.
    for _ in 0..8 {
        ada.sign_in(&sessions);
    }
    ada.device.bindings.clear();
    ada.pass(20 * MINUTE);
    assert_eq!(ada.look(&sessions), UNBOUND);
}

#[test]
fn parallel_requests_of_several_tabs_are_proven_and_each_refresh_is_answered() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    ada.pass(12 * MINUTE);
    // Two processes of one browser post the same proof, and cookies as they were.
    let mut tab = ada.clone();
    assert_eq!(ada.look(&sessions), PROVEN);
    assert_eq!(tab.look(&sessions), PROVEN);
    let requests: Vec<_> = (0..12).map(|_| sessions.load(ada.device.browser.fields())).collect();
    assert!(requests.iter().all(|session| session.device() == DeviceState::Proven));
    // Whichever answer came last counts.
    let last = tab.device.browser.cookie_field();
    ada.device.browser.put(&last);
    assert_eq!(ada.look(&sessions), PROVEN);
}

#[test]
fn an_excluded_path_asks_for_no_proof_and_loses_none() {
    let mut ada = Visitor::new();
    let excluding = binding().exclude("/assets");
    let sessions = builder(&ada.device.browser).device_binding(excluding).build().unwrap();
    ada.bind(&sessions);
    ada.pass(12 * MINUTE);
    let refreshes = ada.device.refreshes;
    let asset = Request {
        address: "/assets/app.js",
        dest: "script",
        ..PAGE
    };
    assert_eq!(ada.look_at(&sessions, asset), UNPROVEN);
    assert_eq!(ada.device.refreshes, refreshes);
    assert_eq!(ada.look(&sessions), PROVEN);
}

#[test]
fn an_ended_binding_takes_at_most_three_requests_and_no_circles() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    ada.device.bindings.clear();
    for _ in 0..3 {
        for request in [PAGE, LINK, FETCH] {
            let state = |session: &mut Session<Value>| Ok((session.state(), session.device()));
            let within = ada.visit(&sessions, request, state);
            assert!(within.requests <= 3, "{}", within.requests);
            let visit = ada.visit(&sessions, request, |session| {
                session.require_proof(Duration::from_secs(10))?;
                Ok(())
            });
            assert!(visit.requests <= 3, "{}", visit.requests);
            ada.pass(4 * MINUTE);
        }
    }
    assert_eq!(ada.look(&sessions), UNPROVEN);
}

#[test]
fn a_link_from_elsewhere_arrives_proven_after_one_step() {
    for host in ["news.example", "blog.shop.example"] {
        let mut ada = Visitor::new();
        let sessions = sessions(&ada.device.browser);
        ada.bind(&sessions);
        ada.pass(12 * MINUTE);
        let link = Request {
            from: From::Host(host),
            ..PAGE
        };
        let visit = ada.visit(&sessions, link, |session| Ok((session.state(), session.device())));
        assert_eq!((visit.result, visit.requests), (Some(PROVEN), 2));
        // With a valid proof there is no step.
        assert_eq!(ada.visit(&sessions, link, |_| Ok(())).requests, 1);
    }
}

#[test]
fn cycle_id_and_remember_keep_the_device() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    let writes: [fn(&mut Session<Value>); 3] = [
        |session| session.cycle_id().unwrap(),
        |session| session.remember(true).unwrap(),
        |session| {
            assert!(
                session
                    .update(|data| data["items"] = json!(2))
                    .unwrap()
                    .option()
                    .is_some()
            );
        },
    ];
    for write in writes {
        let visit = ada.visit(&sessions, FETCH, |session| {
            write(session);
            Ok(())
        });
        assert_eq!(value(&visit.headers, "Secure-Session-Registration"), None);
        assert_eq!(ada.look(&sessions), PROVEN);
        ada.pass(12 * MINUTE);
        assert_eq!(seen(&sessions, &ada.device.browser), UNPROVEN);
        assert_eq!(ada.look(&sessions), PROVEN);
    }
    assert_eq!(ada.device.bindings.len(), 1);
}

#[test]
fn a_sign_out_removes_three_cookies_and_ends_the_browsers_binding() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    let copy = ada.stolen();
    let visit = ada.visit(&sessions, FETCH, |session| {
        session.end().unwrap();
        Ok(())
    });
    let all = vec!["__Host-id-proof", "__Host-id-seen", "__Host-id"];
    assert_eq!(cookies(&visit.headers), (vec![], all));
    assert_eq!(ada.device.browser.cookies().count(), 0);
    assert_eq!(seen(&sessions, &copy).0, SessionState::Rejected(Reason::Revoked));
    ada.look(&sessions);
    assert!(ada.device.bindings.is_empty());
}

#[test]
fn a_sign_out_without_a_proof_revokes_too() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    let with_proof = ada.stolen();
    ada.device.bindings.clear();
    ada.device.browser.remove("__Host-id-proof");
    let visit = ada.visit(&sessions, FETCH, |session| {
        assert_eq!((session.state(), session.device()), UNPROVEN);
        session.end().unwrap();
        Ok(())
    });
    assert_eq!(cookies(&visit.headers).1.len(), 3);
    assert_eq!(seen(&sessions, &with_proof).0, SessionState::Rejected(Reason::Revoked));
}

#[test]
fn revocation_and_the_cut_off_end_bound_sessions_and_their_bindings() {
    for cuts_off in [false, true] {
        let mut ada = Visitor::new();
        let sessions = sessions(&ada.device.browser);
        ada.bind(&sessions);
        let id = sessions.load(ada.device.browser.fields()).id().unwrap();
        match cuts_off {
            true => sessions.raise_cut_off(after(60)),
            false => sessions.revoke(id),
        }
        assert_eq!(ada.look(&sessions).0, SessionState::Rejected(Reason::Revoked));
        ada.pass(12 * MINUTE);
        assert_eq!(ada.look(&sessions).0, SessionState::Rejected(Reason::Revoked));
        assert!(ada.device.bindings.is_empty());
        ada.bind(&sessions);
    }
}

/// While device binding is introduced, nobody is refused, and the log tells what would be.
#[test]
fn an_unproven_session_is_one_while_device_binding_is_introduced() {
    let mut ada = Visitor::new();
    let seen = Seen::default();
    let introducing = builder(&ada.device.browser).device_binding(binding().introduce(true));
    let sessions = introducing.observer(seen.observer()).build().unwrap();
    ada.bind(&sessions);
    let id = sessions.load(ada.device.browser.fields()).id().unwrap();
    ada.device.bindings.clear();
    ada.pass(12 * MINUTE);
    seen.take();
    let unproven = (SessionState::Valid, DeviceState::Unproven);
    assert_eq!(ada.look(&sessions), unproven);
    assert!(
        seen.take()
            .iter()
            .any(|event| matches!(event, Event::Unproven { id: of } if *of == id))
    );
    // What needs a proof is refused all the same.
    let visit = ada.visit(&sessions, FETCH, |session| {
        session.require_proof(Duration::from_secs(600))
    });
    assert_eq!(visit.status, 403);
    // Activity goes on, and the binding stays.
    for _ in 0..5 {
        ada.pass(20 * MINUTE);
        assert_eq!(ada.look(&sessions), unproven);
    }
    let strict = super::sessions(&ada.device.browser);
    assert_eq!(ada.look(&strict), UNPROVEN);
}

/// Browsers keep the older, longer cookie, and prove nothing by themselves.
#[test]
fn a_shorter_lifetime_and_servers_with_clocks_apart_cost_a_repeated_request() {
    let day = binding().proof_lifetime(Duration::from_secs(DAY));
    let mut ada = Visitor::new();
    let before = builder(&ada.device.browser).device_binding(day).build().unwrap();
    let clock = ada.device.browser.clock();
    let ahead = builder(&ada.device.browser).clock(move || clock() + time::Duration::minutes(5));
    let servers = [sessions(&ada.device.browser), ahead.build().unwrap()];
    for (made, seconds) in [(&before, 20 * MINUTE), (&servers[0], 7 * MINUTE)] {
        for (index, server) in servers.iter().enumerate() {
            for request in [PAGE, FETCH] {
                ada.bind(made);
                ada.pass(seconds);
                let is_old = seconds > 11 * MINUTE || index == 1;
                assert_eq!(seen(server, &ada.device.browser) == UNPROVEN, is_old);
                let visit = ada.visit(server, request, |session| Ok((session.state(), session.device())));
                match request.method {
                    "GET" => assert_eq!((visit.result, visit.requests), (Some(PROVEN), 1 + usize::from(is_old))),
                    _ => assert_eq!(visit.result, Some(if is_old { UNPROVEN } else { PROVEN })),
                }
                assert_eq!(ada.look_at(server, request), PROVEN);
                ada.pass(20 * MINUTE);
            }
        }
    }
}

#[test]
fn a_kept_session_obeys_the_proof() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    let cookies = ada.device.browser.cookie_field();
    // Requests in each half minute keep the opened session. The proof is valid for 11 minutes.
    for seconds in (30..=20 * MINUTE).step_by(30) {
        ada.pass(30);
        let session = sessions.load(RequestFields::from_cookies([cookies.clone()]));
        let expected = if seconds < 11 * MINUTE { PROVEN } else { UNPROVEN };
        assert_eq!((session.state(), session.device()), expected, "{seconds}");
    }
}
