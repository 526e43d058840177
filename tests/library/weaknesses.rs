//! Weaknesses that other session crates and frameworks have had: a test for each shows that this crate does not have
//! it.
mod data;
mod tokens;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealed_session::edge::Claims;
use sealed_session::revocation::{Revocation, RevocationList};
use sealed_session::{
    Event, KeyRing, Lifetime, Reason, RequestFields, Sealer, Session, SessionId, SessionState, Sessions, WriteError,
};
use serde::ser::{Error as _, SerializeStruct};
use serde::{Deserialize, Serialize, Serializer};
use time::OffsetDateTime;

use super::builder;
use testkit::{DAY, START, Seen, after, answered, key, ring, unseen};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Login {
    user: u32,
}

const SEVEN: Login = Login { user: 7 };

fn sessions() -> Sessions<Login> {
    builder(ring()).build().unwrap()
}

fn observed(seen: &Seen) -> Sessions<Login> {
    builder(ring()).observer(seen.observer()).build().unwrap()
}

fn named(name: &str) -> Sessions<Login> {
    builder(ring()).cookie_name(name).build().unwrap()
}

/// The second request with these cookies.
fn load(sessions: &Sessions<Login>, cookies: impl AsRef<[u8]>, seconds: u64) -> Session<Login> {
    let load = || sessions.load_at(RequestFields::from_cookies([cookies.as_ref().to_vec()]), after(seconds));
    unseen(|| _ = load().peek());
    load()
}

/// The values of the session cookie and of the activity cookie.
fn tokens(cookies: &str) -> (String, String) {
    let values: Vec<&str> = cookies
        .split("; ")
        .map(|pair| pair.split_once('=').unwrap().1)
        .collect();
    (values[0].to_owned(), values[1].to_owned())
}

#[track_caller]
fn assert_state(sessions: &Sessions<Login>, cookies: impl AsRef<[u8]>, seconds: u64, expected: SessionState) {
    let session = load(sessions, cookies, seconds);
    assert_eq!(session.state(), expected);
    assert_eq!(session.get().is_some(), expected == SessionState::Valid);
}

// ---- removal

#[test]
fn a_removal_without_secure_is_never_sent_every_attribute_is_repeated() {
    let builder = || builder::<Login>(ring());
    let past = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    let same_site = sealed_session::SameSite::None;
    for (sessions, expected) in [
        (
            builder(),
            format!("__Host-id=; Path=/; {past}; Secure; HttpOnly; SameSite=Lax"),
        ),
        (
            builder()
                .cookie_name("__Secure-id")
                .cookie_domain("example.com")
                .cookie_path("/app")
                .same_site(same_site)
                .partitioned(true),
            format!(
                "__Secure-id=; Path=/app; Domain=example.com; {past}; Secure; HttpOnly; SameSite=None; Partitioned"
            ),
        ),
        (
            builder().insecure_development_cookie("dev"),
            format!("dev=; Path=/; {past}; HttpOnly; SameSite=Lax"),
        ),
    ] {
        let mut session = load(&sessions.build().unwrap(), "", 0);
        session.end().unwrap();
        let patch = session.finish_patch(200);
        let lines: Vec<&str> = patch.set_cookies().collect();
        assert_eq!(
            lines,
            [
                // The session cookie comes last: some clients remove only the last one.
                expected
                    .replacen("id=;", "id-seen=;", 1)
                    .replacen("dev=", "dev-seen=", 1),
                expected.clone(),
            ]
        );
    }
}

// ---- hostile tokens

#[test]
fn short_tokens_do_not_panic() {
    let sessions = sessions();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    let (token, activity) = tokens(&cookies);
    let genuine = URL_SAFE_NO_PAD.decode(&token).unwrap();
    let genuine_activity = URL_SAFE_NO_PAD.decode(&activity).unwrap();
    let fillings = [
        &[0; 100][..],
        &[1; 100],
        &[2; 100],
        &[255; 100],
        &genuine,
        &genuine_activity,
    ];
    for filling in fillings {
        let endless: Vec<u8> = filling.iter().copied().cycle().take(100).collect();
        for length in 0..=100 {
            for first in [0, 1, 2, 255, endless[0]] {
                let mut bytes = endless[..length].to_vec();
                if let Some(byte) = bytes.first_mut() {
                    *byte = first;
                }
                let text = URL_SAFE_NO_PAD.encode(&bytes);
                if text == token || text == activity {
                    continue;
                }
                let hostile = format!("__Host-id={text}; __Host-id-seen={activity}");
                let state = load(&sessions, hostile, 0).state();
                assert!(matches!(state, SessionState::Rejected(_)), "{bytes:?}");
                let hostile = format!("__Host-id={token}; __Host-id-seen={text}");
                assert_state(&sessions, hostile, 0, SessionState::Rejected(Reason::Idle));
                _ = Claims::parse(&text);
            }
        }
    }
    for filling in ["A", "-", "_", "=", "\u{e9}", " ", "%", "\"", &token, &activity] {
        for length in 0..=100 {
            let text: String = filling.chars().cycle().take(length).collect();
            if text == activity {
                continue;
            }
            assert!(
                load(&sessions, format!("__Host-id={text}; __Host-id-seen={activity}"), 0)
                    .get()
                    .is_none()
            );
            assert!(
                load(&sessions, format!("__Host-id={token}; __Host-id-seen={text}"), 0)
                    .get()
                    .is_none()
            );
            _ = Claims::parse(&text);
        }
    }
}

/// A list that revokes no id and counts the questions: one for each token that opened.
struct Counting(Arc<AtomicUsize>);

impl RevocationList for Counting {
    fn is_revoked(&self, _id: SessionId) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        false
    }

    fn revoke_at(&self, _revoked: Revocation, _now: OffsetDateTime) {}
}

const HOSTILE: usize = 400 * 1024;

#[test]
fn four_hundred_kilobytes_of_hostile_cookies_cost_eight_openings() {
    const OF_TWO_REQUESTS: usize = 2 * 8;
    let openings = Arc::new(AtomicUsize::new(0));
    let sessions = builder(ring())
        .lifetime(Lifetime::default().without_idle())
        .revocation_list(Counting(Arc::clone(&openings)))
        .build()
        .unwrap();
    let good = sessions.cookie_for_at(SEVEN, after(10)).unwrap();
    let copy = sessions.cookie_for_at(Login { user: 666 }, after(0)).unwrap();
    let many = vec![copy.as_str(); HOSTILE / copy.len()].join("; ");
    assert_eq!(load(&sessions, format!("{good}; {many}"), 20).get(), Some(&SEVEN));
    assert_eq!(openings.swap(0, Ordering::Relaxed), OF_TWO_REQUESTS);
    assert_eq!(load(&sessions, many, 20).get(), Some(&Login { user: 666 }));
    assert_eq!(openings.swap(0, Ordering::Relaxed), OF_TWO_REQUESTS);
}

#[test]
fn a_good_cookie_opens_before_four_hundred_kilobytes_of_anything() {
    let sessions = sessions();
    let good = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    let forged = forged(&sessions);
    for unit in [
        "; ",
        ";",
        "__Host-id=; ",
        "__Host-id=AAAA; ",
        "__Host-id",
        "=",
        "a",
        "\u{2000}",
        &format!("{forged}; "),
    ] {
        let field = format!("{good}; {}", unit.repeat(HOSTILE / unit.len()));
        assert_state(&sessions, field, 0, SessionState::Valid);
    }
    // Tokens that fail the cheap checks do not count among the eight, wherever they are.
    for unit in ["__Host-id=; ", "__Host-id=AAAA; ", "__Host-id-seen=x; ", "a=b; "] {
        let field = format!("{}{good}", unit.repeat(HOSTILE / unit.len()));
        assert_state(&sessions, field, 0, SessionState::Valid);
    }
}

/// A session cookie that passes all cheap checks and does not open.
fn forged(sessions: &Sessions<Login>) -> String {
    let (token, _) = tokens(&sessions.cookie_for_at(SEVEN, after(0)).unwrap());
    let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    bytes[20] ^= 1;
    format!("__Host-id={}", URL_SAFE_NO_PAD.encode(bytes))
}

#[test]
fn of_forged_cookies_in_front_seven_are_passed_over() {
    let sessions = sessions();
    let good = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    let forged = forged(&sessions);
    let after = |count: usize| format!("{}{good}", format!("{forged}; ").repeat(count));
    assert_state(&sessions, after(7), 0, SessionState::Valid);
    assert_state(&sessions, after(8), 0, SessionState::Rejected(Reason::NotOurs));
}

// ---- duplicates

/// A session of this user, with the seconds of its start and of its last write.
fn sealed(sessions: &Sessions<Login>, user: u32, started: u64, written: u64) -> (String, String) {
    let cookies = sessions.cookie_for_at(Login { user: 0 }, after(started)).unwrap();
    let (_, activity) = tokens(&cookies);
    let mut session = load(sessions, &cookies, written);
    let _ = session.update(|login| login.user = user).unwrap();
    let patch = session.finish_patch(200);
    let line = patch.set_cookies().next().unwrap();
    let pair = line.split(';').next().unwrap();
    (pair.to_owned(), format!("__Host-id-seen={activity}"))
}

#[track_caller]
fn assert_chosen(sessions: &Sessions<Login>, seen: &Seen, jar: &[&(String, String)], user: u32) {
    seen.take();
    let session_cookies = jar.iter().map(|(session, _)| session.as_str());
    let activities = jar.iter().map(|(_, activity)| activity.as_str());
    let field = session_cookies.chain(activities).collect::<Vec<_>>().join("; ");
    let session = load(sessions, field, 200);
    assert_eq!(session.get(), Some(&Login { user }));
    assert_eq!(seen.take(), [Event::DuplicatesSeen { count: jar.len() }]);
}

#[test]
fn of_several_sessions_the_one_that_started_last_counts() {
    let seen = Seen::default();
    let sessions = observed(&seen);
    let old = sealed(&sessions, 1, 0, 150);
    let new = sealed(&sessions, 2, 100, 120);
    assert_chosen(&sessions, &seen, &[&old, &new], 2);
    assert_chosen(&sessions, &seen, &[&new, &old], 2);
}

#[test]
fn of_sessions_that_started_together_the_one_sealed_last_counts() {
    let seen = Seen::default();
    let sessions = observed(&seen);
    let old = sealed(&sessions, 1, 0, 100);
    let new = sealed(&sessions, 2, 0, 101);
    assert_chosen(&sessions, &seen, &[&old, &new], 2);
    assert_chosen(&sessions, &seen, &[&new, &old], 2);
}

#[test]
fn of_sessions_sealed_together_the_first_counts() {
    let seen = Seen::default();
    let sessions = observed(&seen);
    let one = sealed(&sessions, 1, 0, 100);
    let two = sealed(&sessions, 2, 0, 100);
    assert_chosen(&sessions, &seen, &[&one, &two], 1);
    assert_chosen(&sessions, &seen, &[&two, &one], 2);
}

/// So without the `__Host-` prefix a sibling subdomain can replace a visitor's session with older tokens of its own
/// account: browsers send cookies with longer paths first.
#[test]
fn eight_older_genuine_tokens_in_front_displace_the_newest() {
    let seen = Seen::default();
    let sessions = observed(&seen);
    let own = sealed(&sessions, 1, 100, 120);
    let tossed: Vec<_> = (0..8).map(|second| sealed(&sessions, 2, second, second)).collect();
    let after = |count: usize| tossed[..count].iter().chain([&own]).collect::<Vec<_>>();
    assert_chosen(&sessions, &seen, &after(7), 1);
    assert_chosen(&sessions, &seen, &after(8), 2);
    let eight_times: Vec<_> = [&tossed[0]; 8].into_iter().chain([&own]).collect();
    assert_chosen(&sessions, &seen, &eight_times, 2);
}

#[test]
fn a_tossed_cookie_that_is_no_session_changes_nothing() {
    let seen = Seen::default();
    let sessions = observed(&seen);
    let good = sealed(&sessions, 1, 0, 100);
    for tossed in [
        "__Host-id=".to_owned(),
        "__Host-id=rubbish".to_owned(),
        forged(&sessions),
    ] {
        let tossed = (tossed, "__Host-id-seen=rubbish".to_owned());
        assert_chosen(&sessions, &seen, &[&good, &tossed], 1);
        assert_chosen(&sessions, &seen, &[&tossed, &good], 1);
    }
}

#[test]
fn a_tossed_session_without_activity_does_not_displace_a_live_one() {
    let seen = Seen::default();
    let sessions = observed(&seen);
    let live = sealed(&sessions, 1, 0, 100);
    let (idle, _) = sealed(&sessions, 2, 150, 160);
    let tossed = (idle, "__Host-id-seen=rubbish".to_owned());
    assert_chosen(&sessions, &seen, &[&tossed, &live], 1);
    assert_chosen(&sessions, &seen, &[&live, &tossed], 1);
}

// ---- sign-outs

#[test]
fn a_sign_out_that_revokes_ends_the_session_that_came_whatever_became_of_it() {
    let changes: [fn(&mut Session<Login>); 4] = [
        |_| {},
        |session| session.cycle_id().unwrap(),
        |session| session.start(SEVEN).unwrap(),
        |session| {
            session.end().unwrap();
            session.start(SEVEN).unwrap();
        },
    ];
    for change in changes {
        let seen = Seen::default();
        let builder = builder::<Login>(ring()).clock(|| after(60));
        let sessions = builder.observer(seen.observer()).build().unwrap();
        let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
        let mut session = load(&sessions, &cookies, 60);
        let id = session.id().unwrap();
        change(&mut session);
        session.end().unwrap();
        session.end().unwrap();
        assert_eq!(session.finish_patch(200).set_cookies().count(), 2);
        assert_state(&sessions, cookies, 60, SessionState::Rejected(Reason::Revoked));
        let mut revoked = seen.take();
        revoked.retain(|event| matches!(event, Event::Revoked { .. }));
        assert_eq!(revoked[0], Event::Revoked { id });
    }
}

/// Data that signs out by another handle while it is serialised, in the middle of a write.
#[derive(Debug, PartialEq, Deserialize)]
struct Meddling {
    number: u32,
}

thread_local! {
    static OTHER: std::cell::RefCell<Option<Session<Meddling>>> = const { std::cell::RefCell::new(None) };
}

impl Serialize for Meddling {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(mut other) = OTHER.take() {
            other.end().unwrap();
        }
        let mut fields = serializer.serialize_struct("Meddling", 1)?;
        fields.serialize_field("number", &self.number)?;
        fields.end()
    }
}

#[test]
fn a_sign_out_of_another_handle_is_not_forgotten_by_a_start_that_began_before() {
    let sessions = builder::<Meddling>(ring()).build().unwrap();
    let cookies = sessions.cookie_for_at(Meddling { number: 1 }, after(0)).unwrap();
    let mut session = sessions.load_at(RequestFields::from_cookies([cookies]), after(1));
    OTHER.set(Some(session.clone()));
    session.start(Meddling { number: 2 }).unwrap();
    assert_eq!(session.get(), Some(&Meddling { number: 2 }));
    // A 500 does not send the start; it sends the sign-out.
    let patch = session.finish_patch(500);
    assert_eq!(patch.set_cookies().filter(|line| line.contains("Max-Age=0")).count(), 2);
}

// ---- silence

#[derive(Serialize, Deserialize)]
struct Secret {
    word: String,
    number: u32,
}

#[test]
fn session_data_is_in_no_debug_display_or_event() {
    const WORD: &str = "Rumpelstilzchen";
    let secret = || Secret {
        word: WORD.into(),
        number: 1,
    };
    let seen = Seen::default();
    let builder = builder::<Secret>(ring())
        .observer(seen.observer())
        .clock(|| after(0))
        .remembered(Lifetime::absolute(Duration::from_secs(90 * DAY)).idle(Duration::from_secs(14 * DAY)));
    let mut shown = vec![format!("{builder:?}")];
    let sessions = builder.build().unwrap();
    shown.push(format!("{sessions:?}"));
    let cookies = sessions.cookie_for_at(secret(), after(0)).unwrap();
    let fields = RequestFields::from_cookies([cookies.clone(), cookies.clone()]).with_bind(WORD);
    shown.push(format!("{fields:?}"));
    let fields = RequestFields::from_cookies([cookies.clone(), cookies.clone()]);
    let mut session = sessions.load_at(fields, after(600));
    assert_eq!(session.get().unwrap().word, WORD);
    shown.push(format!("{session:?} {:?} {:?}", session.state(), session.id()));
    let _ = session.update(|secret| secret.number = 2).unwrap();
    let error = session.update(|secret| secret.word = WORD.repeat(400)).unwrap_err();
    shown.push(format!("{error:?} {error}"));
    session.cycle_id().unwrap();
    let patch = session.finish_patch(200);
    shown.push(format!("{patch:?}"));
    let error = session.start(secret()).unwrap_err();
    shown.push(format!("{error:?} {error}"));
    let mut ended = sessions.load_at(RequestFields::from_cookies([cookies.clone()]), after(600));
    sessions.revoke(ended.id().unwrap());
    ended.end().unwrap();
    shown.push(format!("{:?}", ended.finish_patch(200)));
    _ = sessions
        .load_at(RequestFields::from_cookies([cookies.clone()]), after(600))
        .get();
    _ = sessions
        .load_at(RequestFields::from_cookies([format!("__Host-id={WORD}")]), after(600))
        .get();
    let sealer = Sealer::new(ring(), "link").unwrap();
    let link = sealer
        .seal_at(WORD.as_bytes(), Duration::from_secs(9), after(0))
        .unwrap();
    shown.push(format!(
        "{sealer:?} {:?}",
        sealer.open_at(&link, b"", after(0)).unwrap()
    ));
    let events = seen.take();
    assert!(events.len() >= 6, "{events:?}");
    shown.push(format!("{events:?}"));
    let (token, activity) = tokens(&cookies);
    for text in shown {
        assert!(!text.contains(WORD), "{text}");
        assert!(!text.contains(&token) && !text.contains(&activity), "{text}");
    }
}

#[test]
fn the_time_of_these_tests_is_in_reach_of_the_format() {
    assert!(START + 400 * DAY < u64::from(u32::MAX));
}

#[test]
fn a_session_in_use_lasts_until_its_absolute_timeout() {
    let at = |seconds: i64| OffsetDateTime::from_unix_timestamp(1_800_000_000 + seconds).unwrap();
    let sessions = builder::<u8>(ring()).build().unwrap();
    let mut cookies = sessions.cookie_for_at(7, at(0)).unwrap();
    for second in (0..12 * 3600).step_by(70).chain([12 * 3600 - 1]) {
        let session = sessions.load_at(RequestFields::from_cookies([cookies.clone()]), at(second));
        assert_eq!(
            session.state(),
            SessionState::Valid,
            "{second} s after its start, used 70 s before"
        );
        cookies = answered(&cookies, &session.finish_patch(200));
    }
}
