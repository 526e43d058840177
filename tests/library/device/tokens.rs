//! The four tokens under rotations of keys.

use sealed_session::edge::Claims;
use sealed_session::{Event, Key, KeyRing};
use testkit::key;

use super::*;

fn with_ring(ada: &Visitor, ring: KeyRing) -> Sessions<Value> {
    let sessions = sessions(&ada.device.browser);
    sessions.replace_keys(ring);
    sessions
}

fn old() -> Key {
    key(1)
}

fn new() -> Key {
    key(2)
}

#[test]
fn tokens_under_the_old_secret_go_on_after_a_rotation() {
    for remembers in [false, true] {
        let mut ada = Visitor::new();
        let sessions = sessions(&ada.device.browser);
        ada.visit(&sessions, FETCH, |session| {
            session.start(json!(7)).unwrap();
            if remembers {
                session.remember(true).unwrap();
            }
            Ok(())
        });
        // The challenge to register, the device key, the challenge to refresh and the proof are all under the old one.
        ada.pass(2);
        assert_eq!(ada.look(&sessions), PROVEN);
        sessions.replace_keys(KeyRing::new(new()).also_opening(old()).unwrap());
        assert_eq!(ada.look(&sessions), PROVEN);
        ada.pass(12 * MINUTE);
        assert_eq!(ada.look(&sessions), PROVEN);
        assert_eq!(ada.device.bindings.len(), 1);
        // The device key is under the old secret for as long as the session lasts.
        let step = if remembers { 9 * DAY } else { 25 * MINUTE };
        let end = if remembers { 29 * DAY } else { 11 * HOUR };
        for _ in 0..end / step {
            ada.pass(step);
            assert_eq!(ada.look(&sessions), PROVEN);
        }
    }
}

/// A registration that began before the rotation and ends after it.
#[test]
fn an_offer_under_the_old_secret_is_taken_up_after_a_rotation() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    let mut session = sessions.load(ada.device.browser.fields());
    session.start(json!(7)).unwrap();
    let mut headers = Vec::new();
    session.finish(200, &mut headers);
    ada.device.receive(&headers);
    sessions.replace_keys(KeyRing::new(new()).also_opening(old()).unwrap());
    ada.device.register(&mut endpoints(&sessions, None));
    assert_eq!(ada.device.bindings.len(), 1);
    ada.pass(2);
    assert_eq!(ada.look(&sessions), PROVEN);
}

/// A server that has not got the new ring yet: 503, so that the browser tries again, and not 401, which ends its binding.
#[test]
fn a_server_that_does_not_know_the_secret_yet_ends_no_binding() {
    // Which tokens are under the new secret: all; the device key alone; all but the device key.
    for (signs_in, binds, stays) in [(true, true, true), (false, true, false), (false, false, true)] {
        let mut ada = Visitor::new();
        let behind = with_ring(&ada, KeyRing::new(old()));
        let ahead = with_ring(&ada, KeyRing::new(new()).also_opening(old()).unwrap());
        let server = |is_ahead| if is_ahead { &ahead } else { &behind };
        // The sign-in and its registration at servers of their own.
        let mut session = server(signs_in).load(ada.device.browser.fields());
        session.start(json!(7)).unwrap();
        let mut headers = Vec::new();
        session.finish(200, &mut headers);
        ada.device.receive(&headers);
        ada.device.register(&mut endpoints(server(binds || signs_in), None));
        assert_eq!(ada.device.bindings.len(), 1);
        ada.pass(2);
        if stays {
            assert_eq!(ada.look(&ahead), PROVEN);
            // A write under the new secret.
            ada.visit(&ahead, FETCH, |session| {
                session
                    .update(|data| *data = json!(8))
                    .unwrap()
                    .option()
                    .expect("it is proven");
                Ok(())
            });
        }
        ada.pass(12 * MINUTE);
        let refreshes = ada.device.refreshes;
        ada.look(&behind);
        assert!(ada.device.refreshes > refreshes);
        assert_eq!(ada.device.bindings.len(), 1, "{signs_in} {binds} {stays}");
        let binding = &ada.device.bindings[0];
        let fields = ada.device.browser.fields();
        let answer = behind.refresh_device(&fields, Some(&binding.identifier), None);
        assert_eq!(answer.status(), 503, "{signs_in} {binds} {stays}");
        assert_eq!(ada.look(&ahead), PROVEN);
        // Once it has the ring:
        behind.replace_keys(KeyRing::new(old()).also_opening(new()).unwrap());
        ada.pass(12 * MINUTE);
        assert_eq!(ada.look(&behind), PROVEN);
    }
}

#[test]
fn a_cookie_under_a_secret_to_come_ends_no_binding_whatever_else_is_wrong() {
    let mut ada = Visitor::new();
    let behind = with_ring(&ada, KeyRing::new(old()));
    let ahead = with_ring(&ada, KeyRing::new(new()).also_opening(old()).unwrap());
    let status = |browser: &Browser, identifier: &str| {
        let answer = behind.refresh_device(&browser.fields(), Some(identifier), None);
        answer.status()
    };
    ada.bind(&behind);
    let identifier = ada.device.bindings[0].identifier.clone();
    assert_eq!(status(&ada.device.browser, "made up"), 401);
    ada.pass(25 * MINUTE);
    assert_eq!(ada.look(&ahead), PROVEN);
    // The activity cookie alone is under the new secret: by the old one the session is idle.
    ada.pass(6 * MINUTE);
    assert_eq!(status(&ada.device.browser, &identifier), 503);
    assert_eq!(status(&ada.device.browser, "made up"), 503);
    let mut bob = ada.device.browser.another();
    bob.put(&ahead.cookie_for(json!(7)).unwrap());
    bob.remove("__Host-id-seen");
    assert_eq!(status(&bob, "made up"), 503, "a session cookie alone");
}

/// Of two copies of a cookie, each may open at a server of another version or with another clock.
#[test]
fn what_may_open_at_another_server_ends_no_binding() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    ada.pass(25 * MINUTE);
    assert_eq!(ada.look(&sessions), PROVEN);
    let other = super::super::builder::<u64>(ring()).audience("shop");
    let other = other.device_binding(binding()).clock(ada.device.browser.clock());
    let other = other.build().unwrap();
    let identifier = Some(&*ada.device.bindings[0].identifier);
    let behind = ada.device.browser.now() - Duration::from_secs(20 * MINUTE);
    let jar = ada.device.browser.cookie_field();
    let twice = format!("__Host-id={}; {jar}", ada.device.browser.value("__Host-id").unwrap());
    for jar in [jar, twice] {
        let fields = RequestFields::from_cookies([jar]);
        let answer = sessions.refresh_device_at(&fields, identifier, None, behind);
        assert_eq!(
            answer.status(),
            503,
            "by this clock its activity lasts longer than it can"
        );
        let answer = other.refresh_device(&fields, identifier, None);
        assert_eq!(answer.status(), 503, "JSON that does not fit this type");
    }
}

/// A key goes when another one has sealed for `longest` and 15 minutes (`sealed-session ring retire`). A device key under
/// it that was registered in the last second has expired by then, and not a second sooner than `longest`.
#[test]
fn a_device_key_outlives_its_secret_by_the_longest_absolute_timeout_at_most() {
    let mut ada = Visitor::new();
    let binding = binding().allow_initiator("mail.example");
    let sessions = builder(&ada.device.browser).device_binding(binding).build().unwrap();
    ada.sign_in(&sessions);
    let ends = ada.device.browser.now() + time::Duration::days(30);
    let identifier = &ada.device.bindings[0].identifier;
    let status = |ring: KeyRing, now| {
        sessions.replace_keys(ring);
        sessions
            .refresh_device_at(&RequestFields::default(), Some(identifier), None, now)
            .status()
    };
    let kept = || KeyRing::new(new()).also_opening(old()).unwrap();
    let retired = || KeyRing::new(new());
    let before = ends - time::Duration::seconds(1);
    assert_eq!((status(kept(), before), status(retired(), before)), (403, 503));
    assert_eq!((status(kept(), ends), status(retired(), ends)), (401, 401));
}

/// While two responses cross, or behind a proxy that drops a cookie, the browser's proof must not end its binding.
#[test]
fn a_session_in_chunks_is_bound_and_proven_and_an_incomplete_one_ends_no_binding() {
    let mut ada = Visitor::new();
    let sessions = builder(&ada.device.browser).chunks(3).build().unwrap();
    ada.visit(&sessions, FETCH, |session| {
        session.start(json!("x".repeat(5000))).unwrap();
        Ok(())
    });
    ada.pass(2);
    assert_eq!(ada.look(&sessions), PROVEN);
    let thief = ada.stolen();
    ada.pass(12 * MINUTE);
    assert_eq!(seen(&sessions, &thief), UNPROVEN);
    assert_eq!(ada.look(&sessions), PROVEN);
    let whole = ada.device.browser.clone();
    ada.device.browser.remove("__Host-id.2");
    let fields = ada.device.browser.fields();
    let answer = sessions.refresh_device(&fields, Some(&ada.device.bindings[0].identifier), None);
    assert_eq!(answer.status(), 503);
    ada.device.browser = whole;
    ada.pass(12 * MINUTE);
    assert_eq!(ada.look(&sessions), PROVEN);
    ada.visit(&sessions, FETCH, |session| {
        session.end().unwrap();
        Ok(())
    });
    let left: Vec<_> = ada.device.browser.cookies().map(|cookie| &*cookie.name).collect();
    assert!(left.is_empty(), "{left:?}");
    let cookies = sessions.proven_cookie_for(json!("x".repeat(5000))).unwrap();
    let session = sessions.load(RequestFields::from_cookies([cookies]));
    assert_eq!((session.state(), session.device()), PROVEN);
}

/// A server that is behind binds sessions of a server that is ahead: it seals tokens of devices, and no session.
#[test]
fn a_key_that_sealed_tokens_of_devices_alone_is_dropped_as_one_in_use() {
    let mut ada = Visitor::new();
    let ahead = with_ring(&ada, KeyRing::new(new()).also_opening(old()).unwrap());
    ada.sign_in(&ahead);
    let seen = testkit::Seen::default();
    let behind = builder(&ada.device.browser).observer(seen.observer()).build().unwrap();
    let ring = KeyRing::new(old()).also_opening(new()).unwrap();
    behind.replace_keys(ring.also_opening(key(3)).unwrap());
    ada.device.register(&mut endpoints(&behind, None));
    seen.take();
    behind.replace_keys(KeyRing::new(new()));
    let events = seen.take();
    let in_use = |key: Key| {
        events.iter().find_map(|event| match event {
            Event::KeyDropped { key_id, in_use } => Some(*in_use).filter(|_| *key_id == key.id()),
            _ => None,
        })
    };
    assert_eq!([old(), key(3), new()].map(in_use), [Some(true), Some(false), None]);
}

#[test]
fn the_activity_token_of_a_bound_session_claims_to_be_one() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    ada.bind(&sessions);
    let cookies = ada.device.browser.cookie_field();
    let value = |name: &str| cookies.split("; ").find_map(|cookie| cookie.strip_prefix(name));
    let [session, seen] = ["__Host-id=", "__Host-id-seen="].map(|name| Claims::parse(value(name).unwrap()).unwrap());
    assert_eq!((session.version, session.is_activity), (1, false));
    assert_eq!((seen.version, seen.is_activity), (3, true));
    assert_eq!(seen.session_id, session.session_id);
}
