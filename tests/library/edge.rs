//! Delegation: what an edge can and cannot do with day keys.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::hmac::{Hmac, KeyInit as _, Mac as _};
use sealed_session::edge::{Checker, EdgeRights};
use sealed_session::testing::Browser;
use sealed_session::{Key, KeyRing, Lifetime, Reason, RequestFields, SessionState, Sessions};
use serde_json::{Value, json};
use sha2::Sha256;
use testkit::unhex;
use time::OffsetDateTime;

const NOW: i64 = 1_893_369_600;

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(NOW + seconds).expect("an instant")
}

fn sessions(ring: &str, name: &str, audience: &str) -> Sessions<Value> {
    let ring = KeyRing::parse(ring).expect("a ring");
    Sessions::builder(ring)
        .cookie_name(name)
        .audience(audience)
        .build()
        .expect("a configuration")
}

fn ring() -> String {
    Key::generate()
        .expect("randomness")
        .write_with_secret()
        .expose()
        .to_owned()
}

fn checker(sessions: &Sessions<Value>, rights: EdgeRights) -> Checker {
    Checker::from_edge_keys(sessions.edge_keys_at(1, rights, at(0)).expose()).expect("day keys")
}

fn fields(cookie: impl Into<String>) -> RequestFields {
    RequestFields::from_cookies([cookie.into()])
}

fn expand(key: &[u8], info: &[&[u8]]) -> Vec<u8> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    info.iter().for_each(|part| hmac.update(part));
    hmac.update(&[1]);
    hmac.finalize().into_bytes().to_vec()
}

#[test]
fn a_checker_accepts_live_heads_and_names_why_others_fail() {
    let ring = ring();
    let sessions = sessions(&ring, "__Host-id", "shop");
    let cookie = sessions.cookie_for_at(json!({"user": 7}), at(0)).unwrap();
    let checker = checker(&sessions, EdgeRights::Check);
    let checked = checker.check_at(&fields(&cookie), at(60)).unwrap();
    assert_eq!(Some(checked.id), sessions.load_at(fields(&cookie), at(60)).id());
    assert_eq!((checked.expires, checked.active_until), (at(12 * 3600), Some(at(1800))));

    assert_eq!(checker.check_at(&fields(&cookie), at(1800)), Err(Reason::Idle));
    assert_eq!(checker.check_at(&fields(&cookie), at(12 * 3600)), Err(Reason::Expired));
    assert_eq!(checker.check_at(&fields(""), at(60)), Err(Reason::Malformed));
    let session_alone = cookie.split("; ").next().unwrap();
    assert_eq!(checker.check_at(&fields(session_alone), at(60)), Err(Reason::Idle));
    let without = Checker::from_edge_keys(sessions.edge_keys_at(1, EdgeRights::Check, at(0)).expose()).unwrap();
    assert!(
        without
            .without_activity()
            .check_at(&fields(session_alone), at(60))
            .is_ok()
    );
    let bound = fields(&cookie).with_bind("another device");
    assert_eq!(checker.check_at(&bound, at(60)), Err(Reason::NotOurs));
}

#[test]
fn keys_of_a_day_check_nothing_of_another_day_name_or_audience() {
    let ring = ring();
    let sessions = sessions(&ring, "__Host-id", "shop");
    let cookie = sessions.cookie_for_at(json!(7), at(0)).unwrap();
    let check = |checker: &Checker| checker.check_at(&fields(&cookie), at(60)).err();
    assert_eq!(check(&checker(&sessions, EdgeRights::Open)), None);
    assert_eq!(
        check(&checker(&self::sessions(&ring, "__Host-id", "blog"), EdgeRights::Open)),
        Some(Reason::NotOurs)
    );
    let stranger = self::sessions(&self::ring(), "__Host-id", "shop");
    assert_eq!(check(&checker(&stranger, EdgeRights::Open)), Some(Reason::UnknownKey));
    let other_days = sessions.edge_keys_at(3, EdgeRights::Open, at(5 * 86_400));
    assert_eq!(
        check(&Checker::from_edge_keys(other_days.expose()).unwrap()),
        Some(Reason::UnknownKey)
    );
    // Keys of another cookie, with this cookie's name: the keys depend on the name, whatever the label says.
    let other = self::sessions(&ring, "__Host-other", "shop").edge_keys_at(1, EdgeRights::Check, at(0));
    let relabelled = other.expose().replace("__Host-other", "__Host-id");
    assert_eq!(
        check(&Checker::from_edge_keys(&relabelled).unwrap()),
        Some(Reason::NotOurs)
    );
}

#[test]
fn what_a_holder_of_check_keys_can_make_never_opens_as_a_session() {
    let ring = ring();
    let sessions = sessions(&ring, "__Host-id", "");
    let text = sessions.edge_keys_at(1, EdgeRights::Check, at(0));
    assert!(!text.expose().contains("\"seal\""), "check rights carry no seal key");
    let keys: Value = serde_json::from_str(text.expose()).unwrap();
    let expires = u32::try_from(NOW + 3600).unwrap();
    let day = u64::from(expires / 86_400);
    let entry = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["day"] == day)
        .unwrap();
    let key = |cookie: &str| unhex(entry[cookie]["check"].as_str().unwrap());
    let mut head = vec![1];
    head.extend(unhex(entry["key_id"].as_str().unwrap()));
    head.extend(expires.to_be_bytes());
    head.extend([7; 8]);
    let activity = [&[2], &head[1..]].concat();
    head.extend([9; 12]);
    let forged = [&head[..], &expand(&key("session"), &[&head])[..16], &[0; 64]].concat();
    let seen = [&activity[..], &expand(&key("activity"), &[&activity])[..16]].concat();
    let (forged, seen) = (URL_SAFE_NO_PAD.encode(forged), URL_SAFE_NO_PAD.encode(seen));
    let cookie = format!("__Host-id={forged}; __Host-id-seen={seen}");

    // This is the limit of a check, and why a check grants nothing.
    assert!(
        checker(&sessions, EdgeRights::Check)
            .check_at(&fields(&cookie), at(60))
            .is_ok()
    );
    assert_eq!(
        sessions.load_at(fields(&cookie), at(60)).state(),
        SessionState::Rejected(Reason::Damaged)
    );
    // Forged activity of another session does not let a genuine session live longer than its idle timeout.
    let genuine = sessions.cookie_for_at(json!(7), at(0)).unwrap();
    let mixed = format!("{}; __Host-id-seen={seen}", genuine.split("; ").next().unwrap());
    assert_eq!(
        sessions.load_at(fields(mixed), at(60)).state(),
        SessionState::Rejected(Reason::Idle)
    );
}

#[test]
fn edge_keys_cover_every_key_and_day_that_was_asked_for() {
    let ring = format!("seal {}\nopen {}\n", ring(), ring());
    let sessions = sessions(&ring, "__Host-id", "a \"quoted\" audience \u{e9}");
    let keys: Value = serde_json::from_str(sessions.edge_keys_at(2, EdgeRights::Open, at(0)).expose()).unwrap();
    assert_eq!(keys["audience"], "a \"quoted\" audience \u{e9}");
    assert_eq!((&keys["rights"], &keys["name"]), (&json!("open"), &json!("__Host-id")));
    let sealing = keys["sealing"].as_array().unwrap();
    assert_eq!((sealing.len(), &sealing[0]["from"]), (1, &json!(0)));
    assert_eq!(sealing[0]["key_id"], sessions_key(&ring));
    let entries = keys["keys"].as_array().unwrap();
    let days: Vec<_> = entries.iter().map(|entry| entry["day"].as_u64().unwrap()).collect();
    let first = u64::try_from(NOW).unwrap() / 86_400;
    assert_eq!(days, [first, first, first + 1, first + 1, first + 2, first + 2]);
    assert!(
        entries
            .iter()
            .all(|entry| entry["session"]["seal"].as_str().is_some_and(|key| key.len() == 64))
    );
    assert!(Checker::from_edge_keys(&keys.to_string()).is_ok());
    let far = sessions.edge_keys_at(
        u32::MAX,
        EdgeRights::Check,
        OffsetDateTime::from_unix_timestamp(u32::MAX.into()).unwrap(),
    );
    assert!(far.expose().ends_with("]}"), "the end of 32 bits is the last day");
}

/// The id of the first key of a written ring.
fn sessions_key(ring: &str) -> String {
    KeyRing::parse(ring).expect("a ring").describe()[0].id.to_string()
}

#[test]
fn a_name_too_long_for_a_second_cookie_has_no_activity_keys() {
    let ring = KeyRing::parse(&ring()).unwrap();
    let name = "n".repeat(255);
    let sessions = Sessions::<Value>::builder(ring)
        .cookie_name(&name)
        .lifetime(Lifetime::default().without_idle())
        .build()
        .unwrap();
    let keys = sessions.edge_keys_at(1, EdgeRights::Check, at(0));
    assert!(!keys.expose().contains("activity"));
    let checker = Checker::from_edge_keys(keys.expose()).unwrap();
    assert!(
        checker
            .check_at(&fields(sessions.cookie_for_at(json!(7), at(0)).unwrap()), at(60))
            .is_ok()
    );
}

#[test]
fn the_timeouts_come_with_the_keys() {
    let ring = ring();
    let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
    let builder = || Sessions::<Value>::builder(KeyRing::parse(&ring).unwrap());
    // Whether a session may have no idle timeout, and so no activity cookie.
    for (builder, idle, absolute, remembered, may_lack) in [
        (builder(), json!(1800), 43_200, Value::Null, false),
        (
            builder().lifetime(Lifetime::absolute(2 * hour).idle(hour)),
            json!(3600),
            7200,
            Value::Null,
            false,
        ),
        (
            builder().lifetime(Lifetime::default().without_idle()),
            Value::Null,
            43_200,
            Value::Null,
            true,
        ),
        (
            builder().remembered(Lifetime::absolute(90 * day).idle(14 * day)),
            json!(1800),
            43_200,
            json!({"idle": 14 * 86_400, "absolute": 90 * 86_400}),
            false,
        ),
        (
            builder().remembered(Lifetime::absolute(90 * day).without_idle()),
            json!(1800),
            43_200,
            json!({"idle": null, "absolute": 90 * 86_400}),
            true,
        ),
        (
            builder()
                .lifetime(Lifetime::default().without_idle())
                .remembered(Lifetime::absolute(90 * day).idle(14 * day)),
            Value::Null,
            43_200,
            json!({"idle": 14 * 86_400, "absolute": 90 * 86_400}),
            true,
        ),
    ] {
        let sessions = builder.build().unwrap();
        let text = sessions.edge_keys_at(1, EdgeRights::Check, at(0));
        let keys: Value = serde_json::from_str(text.expose()).unwrap();
        assert_eq!(
            (&keys["idle"], &keys["absolute"], &keys["remembered"]),
            (&idle, &json!(absolute), &remembered)
        );
        let cookie = sessions.cookie_for_at(json!(7), at(0)).unwrap();
        let session_alone = fields(cookie.split("; ").next().unwrap());
        let checker = Checker::from_edge_keys(text.expose()).unwrap();
        assert_eq!(checker.check_at(&session_alone, at(60)).is_ok(), may_lack, "{keys}");
        assert!(checker.check_at(&fields(&cookie), at(60)).is_ok(), "{keys}");
    }
}

#[test]
fn a_remembered_session_checks_over_its_whole_life() {
    let ring = KeyRing::parse(&ring()).unwrap();
    let day = Duration::from_secs(86_400);
    let sessions = Sessions::<Value>::builder(ring)
        .remembered(Lifetime::absolute(90 * day).idle(14 * day))
        .build()
        .unwrap();
    let mut session = sessions.load_at(RequestFields::default(), at(0));
    session.start(json!(7)).unwrap();
    session.remember(true).unwrap();
    let mut headers = Vec::new();
    session.finish(200, &mut headers);
    let mut browser = Browser::new();
    browser.receive(&headers);
    let checker = Checker::from_edge_keys(sessions.edge_keys_at(90, EdgeRights::Check, at(0)).expose()).unwrap();
    assert!(checker.check_at(&browser.fields(), at(13 * 86_400)).is_ok());
}

#[cfg(feature = "device")]
mod with_device_binding {
    use super::*;
    use sealed_session::device::{DeviceBinding, DeviceState};

    fn bound(ring: &str) -> Sessions<Value> {
        Sessions::builder(KeyRing::parse(ring).unwrap())
            .device_binding(DeviceBinding::at("/device"))
            .clock(|| at(0))
            .build()
            .unwrap()
    }

    /// The JSON of the keys, and the fields of its first entry beside the key's id and the day.
    fn given(sessions: &Sessions<Value>, rights: EdgeRights) -> (Value, Vec<String>) {
        let keys: Value = serde_json::from_str(sessions.edge_keys_at(1, rights, at(0)).expose()).unwrap();
        let entry = keys["keys"][0].as_object().unwrap();
        let kinds = entry.iter().filter(|(_, value)| value.is_object());
        let each =
            kinds.flat_map(|(kind, keys)| keys.as_object().unwrap().keys().map(move |key| format!("{kind} {key}")));
        let each = each.collect();
        (keys, each)
    }

    #[test]
    fn only_those_that_ask_for_it_get_more_than_the_session_cookies_keys() {
        let ring = ring();
        let (plain, bound) = (sessions(&ring, "__Host-id", ""), bound(&ring));
        let rows: [(_, &[&str], &[&str]); 3] = [
            (
                EdgeRights::Check,
                &["session check"],
                &["activity check", "session check"],
            ),
            (
                EdgeRights::CheckActivity,
                &["activity check", "session check"],
                &["activity check", "session check"],
            ),
            (
                EdgeRights::Open,
                &["activity check", "proof check", "session check", "session seal"],
                &["activity check", "session check", "session seal"],
            ),
        ];
        for (rights, with, without) in rows {
            let (keys, mut each) = given(&bound, rights);
            each.sort();
            assert_eq!(each, with, "{rights:?}");
            assert_eq!(keys["device"], json!({ "proof": 660 }));
            let (keys, mut each) = given(&plain, rights);
            each.sort();
            assert_eq!(each, without, "{rights:?}");
            assert_eq!(keys.get("device"), None);
        }
    }

    #[test]
    fn a_checker_asks_for_activity_where_it_has_the_keys_and_knows_both_kinds() {
        let ring = ring();
        let bound = bound(&ring);
        for cookie in [
            bound.proven_cookie_for(json!(7)).unwrap(),
            bound.cookie_for(json!(7)).unwrap(),
        ] {
            let session_alone = cookie.split("; ").next().unwrap();
            for (rights, without_activity) in [
                (EdgeRights::Check, true),
                (EdgeRights::CheckActivity, false),
                (EdgeRights::Open, false),
            ] {
                let checker = checker(&bound, rights);
                assert!(checker.check_at(&fields(&cookie), at(60)).is_ok(), "{rights:?}");
                assert_eq!(
                    checker.check_at(&fields(session_alone), at(60)).is_ok(),
                    without_activity
                );
                assert_eq!(checker.check_at(&fields(&cookie), at(1800)).is_ok(), without_activity);
            }
        }
        // An edge with keys from before device binding calls a bound session idle.
        let before = checker(&sessions(&ring, "__Host-id", ""), EdgeRights::Check);
        let proven = bound.proven_cookie_for(json!(7)).unwrap();
        assert_eq!(before.check_at(&fields(proven), at(60)), Err(Reason::Idle));
    }

    /// Why `Check` does not have them.
    #[test]
    fn who_holds_the_keys_of_the_activity_cookie_can_unbind_a_stolen_session() {
        let ring = ring();
        let bound = bound(&ring);
        let proven = bound.proven_cookie_for(json!(7)).unwrap();
        let (session, _) = proven.split_once("; ").unwrap();
        let id = bound.load_at(fields(&proven), at(0)).id().unwrap();
        let (keys, _) = given(&bound, EdgeRights::CheckActivity);
        let entry = &keys["keys"][0];
        let mut head = vec![2];
        head.extend(unhex(entry["key_id"].as_str().unwrap()));
        head.extend(u32::try_from(NOW + 1800).unwrap().to_be_bytes());
        head.extend(id.to_bytes());
        let key = unhex(entry["activity"]["check"].as_str().unwrap());
        let forged = [&head[..], &expand(&key, &[&head])[..16]].concat();
        let cookies = format!("{session}; __Host-id-seen={}", URL_SAFE_NO_PAD.encode(forged));
        let session = bound.load_at(fields(cookies), at(0));
        assert_eq!(
            (session.state(), session.device()),
            (SessionState::Valid, DeviceState::Unbound)
        );
    }
}

#[test]
fn the_good_cookie_is_found_after_garbage_with_bounded_work() {
    let ring = ring();
    let sessions = sessions(&ring, "__Host-id", "");
    let good = sessions.cookie_for_at(json!(7), at(0)).unwrap();
    let garbage = "__Host-id=AAAA; __Host-id-seen=AAAA; ".repeat(1000);
    let checker = checker(&sessions, EdgeRights::Check);
    assert!(checker.check_at(&fields(format!("{garbage}{good}")), at(60)).is_ok());
}

#[test]
fn a_checker_verifies_eight_heads_of_a_request_and_no_more() {
    let ring = ring();
    let sessions = sessions(&ring, "__Host-id", "shop");
    let checker = checker(&sessions, EdgeRights::Check);
    let good = sessions.cookie_for_at(json!(7), at(0)).unwrap();
    let (session, activity) = good.split_once("; ").unwrap();
    let check = |before: &str, count: usize, last: &str| {
        let request = format!("{}{last}", format!("{before}; ").repeat(count));
        checker.check_at(&fields(request), at(60)).err()
    };

    let neighbour = self::sessions(&ring, "__Host-id", "blog");
    let not_ours = neighbour.cookie_for_at(json!(7), at(0)).unwrap();
    assert_eq!(check(&not_ours, 7, &good), None);
    assert_eq!(check(&not_ours, 8, &good), Some(Reason::NotOurs));

    let idle = sessions.cookie_for_at(json!(7), at(0)).unwrap();
    let (idle, _activity) = idle.split_once("; ").unwrap();
    assert_eq!(check(idle, 7, &good), None);
    assert_eq!(check(idle, 8, &good), Some(Reason::Idle));

    // An activity token of this session with a wrong check.
    let altered = if activity.ends_with('A') { "B" } else { "A" };
    let altered = format!("{}{altered}", &activity[..activity.len() - 1]);
    let good = format!("{activity}; {session}");
    assert_eq!(check(&altered, 7, &good), None);
    assert_eq!(check(&altered, 8, &good), Some(Reason::Idle));
}

#[test]
fn activity_of_other_sessions_crowds_no_session_out() {
    let ring = ring();
    let sessions = sessions(&ring, "__Host-id", "");
    let cookie = || sessions.cookie_for_at(json!(7), at(0)).unwrap();
    // Eight genuine activity tokens of other sessions come first, and a server still opens the session.
    let others: String = (0..8)
        .map(|_| format!("{}; ", cookie().split("; ").nth(1).unwrap()))
        .collect();
    let request = format!("{others}{}", cookie());
    assert_eq!(sessions.load_at(fields(&request), at(60)).state(), SessionState::Valid);
    assert!(
        checker(&sessions, EdgeRights::Check)
            .check_at(&fields(&request), at(60))
            .is_ok()
    );
}

#[test]
fn other_texts_are_refused_with_a_sentence() {
    let keys = r#"{"format":"sealed-session day keys v1","name":"id","keys":"#;
    let check = "0".repeat(64);
    let entry = &format!(r#"{{"key_id":"9e4859a4","day":1,"session":{{"check":"{check}"}}}}"#);
    assert!(Checker::from_edge_keys(&format!("{keys}[{entry}]}}")).is_ok());
    for (text, problem) in [
        ("", "is not JSON"),
        ("{}", "is not of the format"),
        (r#"{"format":"sealed-session day keys v1"}"#, "names no cookie"),
        (&format!("{keys}[]}}"), "has no keys"),
        (&format!("{keys}[{{}}]}}"), "cannot be read"),
        (
            &format!(r#"{keys}[{{"key_id":"9e4859a4","day":-1}}]}}"#),
            "cannot be read",
        ),
        (&format!("{keys}[{entry},{entry}]}}"), "twice for the same day"),
        (
            &format!(
                "{keys}[{}]}}",
                entry.replace("\"session\"", "\"activity\":null,\"session\"")
            ),
            "cannot be read",
        ),
        (
            &format!("{keys}[{entry}]}}").replace("\"id\"", "\"a;b\""),
            "names no cookie",
        ),
    ] {
        let shown = Checker::from_edge_keys(text).unwrap_err().to_string();
        assert!(shown.contains(problem), "{shown}");
    }
}
