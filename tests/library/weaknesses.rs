//! Weaknesses that other session crates and frameworks have shown, each as a test that it is not here.
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

use testkit::{DAY, START, Seen, after, answered, key, ring};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Login {
    user: u32,
}

const SEVEN: Login = Login { user: 7 };

fn sessions() -> Sessions<Login> {
    Sessions::builder(ring()).build().unwrap()
}

fn observed(seen: &Seen) -> Sessions<Login> {
    Sessions::builder(ring()).observer(seen.observer()).build().unwrap()
}

fn named(name: &str) -> Sessions<Login> {
    Sessions::builder(ring()).cookie_name(name).build().unwrap()
}

fn load(sessions: &Sessions<Login>, cookies: impl AsRef<[u8]>, seconds: u64) -> Session<Login> {
    sessions.load_at(RequestFields::from_cookies([cookies.as_ref().to_vec()]), after(seconds))
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

// ---- keys

#[test]
fn there_is_no_fallback_to_an_unkeyed_reader() {
    let sessions = sessions();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    let (token, activity) = tokens(&cookies);
    assert_state(&sessions, &cookies, 0, SessionState::Valid);
    let json = r#"{"user":7}"#;
    let mut unsealed = URL_SAFE_NO_PAD.decode(&token).unwrap();
    unsealed.truncate(54);
    unsealed.extend_from_slice(json.as_bytes());
    unsealed.extend_from_slice(&[0; 16]);
    for value in [
        json.to_owned(),
        URL_SAFE_NO_PAD.encode(json),
        format!("0{json}"),
        "null".to_owned(),
        URL_SAFE_NO_PAD.encode([0; 80]),
        URL_SAFE_NO_PAD.encode([1; 80]),
        URL_SAFE_NO_PAD.encode(&unsealed),
        URL_SAFE_NO_PAD.encode(&unsealed[..17]),
        token.replace('_', "/").replace('-', "+") + "=",
    ] {
        let session = load(&sessions, format!("__Host-id={value}; __Host-id-seen={activity}"), 0);
        assert!(matches!(session.state(), SessionState::Rejected(_)), "{value}");
    }
}

#[test]
fn no_part_of_a_token_goes_unchecked() {
    let sessions = sessions();
    let (token, activity) = tokens(&sessions.cookie_for_at(SEVEN, after(0)).unwrap());
    for (name, value) in [("session", &token), ("activity", &activity)] {
        let bytes = URL_SAFE_NO_PAD.decode(value).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let altered = URL_SAFE_NO_PAD.encode(altered);
            let cookies = match name {
                "session" => format!("__Host-id={altered}; __Host-id-seen={activity}"),
                _ => format!("__Host-id={token}; __Host-id-seen={altered}"),
            };
            let session = load(&sessions, cookies, 0);
            assert!(
                matches!(session.state(), SessionState::Rejected(_)),
                "bit {bit} of the {name} token"
            );
        }
    }
}

#[test]
fn oldest_key_signing_does_not_happen_the_one_that_is_told_to_seals() {
    let (one, two, three) = (key(1), key(2), key(3));
    let written = |key: &sealed_session::Key| key.write_with_secret().expose().to_owned();
    let entries = [
        format!("open {}", written(&one)),
        format!("seal {}", written(&two)),
        format!("open {}", written(&three)),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let text = order.map(|index| entries[index].clone()).join("\n");
        let sessions = Sessions::builder(KeyRing::parse(&text).unwrap()).build().unwrap();
        let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
        let (token, activity) = tokens(&cookies);
        for token in [token, activity] {
            assert_eq!(Claims::parse(&token).unwrap().key_id, two.id(), "{order:?}");
        }
        assert_state(&sessions, &cookies, 0, SessionState::Valid);
        for other in [1, 3] {
            let elsewhere = Sessions::builder(KeyRing::new(key(other))).build().unwrap();
            let cookies = elsewhere.cookie_for_at(SEVEN, after(0)).unwrap();
            assert_state(&sessions, &cookies, 0, SessionState::Valid);
            let mut session = load(&sessions, &cookies, 0);
            let _ = session.update(|login| login.user = 8).unwrap();
            let patch = session.finish_patch(200);
            let line = patch.set_cookies().next().unwrap();
            let token = line.split(';').next().unwrap().strip_prefix("__Host-id=").unwrap();
            assert_eq!(
                Claims::parse(token).unwrap().key_id,
                two.id(),
                "what is written is sealed anew"
            );
        }
    }
}

// ---- time

fn with_absolute(seconds: u64) -> Sessions<Login> {
    Sessions::builder(ring())
        .lifetime(Lifetime::absolute(Duration::from_secs(seconds)).without_idle())
        .build()
        .unwrap()
}

#[test]
fn expiry_is_not_recomputed_from_configuration_a_longer_timeout_prolongs_nothing() {
    let (short, long) = (with_absolute(1000), with_absolute(100_000));
    let cookies = short.cookie_for_at(SEVEN, after(0)).unwrap();
    assert_state(&long, &cookies, 999, SessionState::Valid);
    assert_state(&long, &cookies, 1000, SessionState::Rejected(Reason::Expired));
    let mut session = load(&long, &cookies, 500);
    assert_eq!(session.expires(), Some(after(1000)));
    let _ = session.update(|login| login.user = 8).unwrap();
    session.cycle_id().unwrap();
    let patch = session.finish_patch(200);
    let rewritten = patch.set_cookies().next().unwrap().split(';').next().unwrap();
    assert_state(&long, rewritten, 999, SessionState::Valid);
    assert_state(&long, rewritten, 1000, SessionState::Rejected(Reason::Expired));
}

#[test]
fn a_shorter_configured_timeout_shortens_what_is_sealed() {
    let (short, long) = (with_absolute(1000), with_absolute(100_000));
    let cookies = long.cookie_for_at(SEVEN, after(0)).unwrap();
    assert_eq!(load(&short, &cookies, 500).expires(), Some(after(1000)));
    assert_state(&short, &cookies, 999, SessionState::Valid);
    assert_state(&short, &cookies, 1000, SessionState::Rejected(Reason::TooOld));
    let mut session = load(&short, &cookies, 500);
    let _ = session.update(|login| login.user = 8).unwrap();
    let patch = session.finish_patch(200);
    let rewritten = patch.set_cookies().next().unwrap().split(';').next().unwrap();
    assert_state(&long, rewritten, 1000, SessionState::Rejected(Reason::Expired));
}

#[test]
fn a_shorter_configured_idle_timeout_shortens_what_is_sealed() {
    let idle = |seconds| {
        let builder = Sessions::builder(ring()).lifetime(Lifetime::default().idle(Duration::from_secs(seconds)));
        builder.build().unwrap()
    };
    let cookies = idle(10_000).cookie_for_at(SEVEN, after(0)).unwrap();
    assert_state(&idle(10_000), &cookies, 9999, SessionState::Valid);
    // Whoever was here lately under the old timeout is asked again: at most the new one and 5 minutes are left.
    assert_state(&idle(1000), &cookies, 0, SessionState::Rejected(Reason::Idle));
    assert_state(&idle(1000), &cookies, 8699, SessionState::Rejected(Reason::Idle));
    assert_state(&idle(1000), &cookies, 8700, SessionState::Valid);
    let cookies = idle(1000).cookie_for_at(SEVEN, after(0)).unwrap();
    assert_state(&idle(10_000), &cookies, 999, SessionState::Valid);
    assert_state(&idle(10_000), &cookies, 1000, SessionState::Rejected(Reason::Idle));
}

#[test]
fn renewal_on_an_untouched_response_does_not_happen() {
    let seen = Seen::default();
    let sessions = observed(&seen);
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    seen.take();
    for seconds in [600, 1799, 40_000] {
        for peek in [false, true] {
            let session = load(&sessions, &cookies, seconds);
            if peek {
                _ = session.peek();
            }
            let patch = session.finish_patch(200);
            assert_eq!(patch.set_cookies().count(), 0);
            let mut headers = Vec::new();
            patch.apply(&mut headers);
            assert_eq!(headers, []);
        }
    }
    assert!(!seen.take().iter().any(|event| matches!(event, Event::Touched { .. })));
}

// ---- names

#[test]
fn a_name_swap_between_two_cookies_opens_nothing() {
    let (shop, blog) = (named("__Host-shop"), named("__Host-blog"));
    let (token, activity) = tokens(&shop.cookie_for_at(SEVEN, after(0)).unwrap());
    assert_state(
        &shop,
        format!("__Host-shop={token}; __Host-shop-seen={activity}"),
        0,
        SessionState::Valid,
    );
    let swapped = format!("__Host-blog={token}; __Host-blog-seen={activity}");
    assert_state(&blog, swapped, 0, SessionState::Rejected(Reason::NotOurs));
    let (own, _) = tokens(&blog.cookie_for_at(SEVEN, after(0)).unwrap());
    let swapped = format!("__Host-blog={own}; __Host-blog-seen={activity}");
    assert_state(&blog, swapped, 0, SessionState::Rejected(Reason::Idle));
}

#[test]
fn a_session_token_is_no_activity_token_and_the_reverse() {
    let sessions = sessions();
    let (token, activity) = tokens(&sessions.cookie_for_at(SEVEN, after(0)).unwrap());
    let swap = |session: &str, activity: &str| format!("__Host-id={session}; __Host-id-seen={activity}");
    assert_state(&sessions, swap(&token, &token), 0, SessionState::Rejected(Reason::Idle));
    assert_state(
        &sessions,
        swap(&activity, &activity),
        0,
        SessionState::Rejected(Reason::UnknownVersion),
    );
    assert_state(
        &sessions,
        swap(&activity, &token),
        0,
        SessionState::Rejected(Reason::UnknownVersion),
    );
    // Even where the names meet: these sessions live under the very name of the other's activity cookie.
    let meeting = named("__Host-id-seen");
    let (other, _) = tokens(&meeting.cookie_for_at(SEVEN, after(0)).unwrap());
    assert_state(&sessions, swap(&token, &other), 0, SessionState::Rejected(Reason::Idle));
    let state = SessionState::Rejected(Reason::UnknownVersion);
    assert_state(&meeting, format!("__Host-id-seen={activity}"), 0, state);
}

#[test]
fn a_magic_link_is_no_session() {
    let links = Sealer::new(ring(), "__Host-id").unwrap();
    let link = links
        .seal_at(br#"{"user":7}"#, Duration::from_secs(1000), after(0))
        .unwrap();
    let sessions = Sessions::<Login>::builder(ring())
        .lifetime(Lifetime::default().without_idle())
        .build()
        .unwrap();
    assert_state(
        &sessions,
        format!("__Host-id={link}"),
        0,
        SessionState::Rejected(Reason::NotOurs),
    );
}

#[test]
fn a_percent_encoded_prefix_is_another_name() {
    let sessions = sessions();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    for name in [
        "__%48ost-id",
        "%5F%5FHost-id",
        "__Host%2Did",
        "__Host-%69d",
        "\"__Host-id\"",
    ] {
        assert_state(
            &sessions,
            cookies.replace("__Host-id=", &format!("{name}=")),
            0,
            SessionState::Absent,
        );
    }
}

#[test]
fn a_prefix_behind_unicode_space_is_another_name() {
    let sessions = sessions();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    for space in ["\u{2000}", "\u{a0}", "\u{85}", "\u{3000}", "\u{feff}", "\x0b", "\x0c"] {
        for name in [format!("{space}__Host-id="), format!("__Host-id{space}=")] {
            let spaced = cookies.replace("__Host-id=", &name);
            assert_state(&sessions, format!("a=b; {spaced}"), 0, SessionState::Absent);
        }
    }
    for space in [b'\xa0', b'\x85'] {
        let raw = [&[space][..], cookies.as_bytes()].concat();
        assert_state(&sessions, raw, 0, SessionState::Absent);
    }
}

#[test]
fn one_neighbour_that_is_not_ascii_loses_nothing() {
    let sessions = sessions();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    for neighbour in [
        "name=J\u{fc}rgen".as_bytes(),
        b"name=\xff\xfe",
        b"\x80=\x80",
        b"=",
        b"==;;",
        b"\"",
        b"a=\"",
        b"\0=\0",
        b"%",
        b"\xf0\x9f",
    ] {
        for (before, after) in [(neighbour, cookies.as_bytes()), (cookies.as_bytes(), neighbour)] {
            assert_state(&sessions, [before, b"; ", after].concat(), 0, SessionState::Valid);
        }
    }
}

#[test]
fn cookies_split_over_several_fields_are_one_jar() {
    let sessions = sessions();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    let (session, activity) = cookies.split_once("; ").unwrap();
    for fields in [[activity, "a=b", session], [session, "", activity]] {
        let fields = RequestFields::from_cookies(fields.map(str::to_owned));
        assert!(sessions.load_at(fields, after(0)).get().is_some());
    }
}

// ---- removal

#[test]
fn a_removal_without_secure_is_never_sent_every_attribute_is_repeated() {
    let builder = || Sessions::<Login>::builder(ring());
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
                // The session's comes last: some clients keep all but the last one.
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

/// Says of no id that it is revoked, and counts the questions: one per token that opened.
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
    let openings = Arc::new(AtomicUsize::new(0));
    let sessions = Sessions::builder(ring())
        .lifetime(Lifetime::default().without_idle())
        .revocation_list(Counting(Arc::clone(&openings)))
        .build()
        .unwrap();
    let good = sessions.cookie_for_at(SEVEN, after(10)).unwrap();
    let copy = sessions.cookie_for_at(Login { user: 666 }, after(0)).unwrap();
    let many = vec![copy.as_str(); HOSTILE / copy.len()].join("; ");
    assert_eq!(load(&sessions, format!("{good}; {many}"), 20).get(), Some(&SEVEN));
    assert_eq!(openings.swap(0, Ordering::Relaxed), 8);
    assert_eq!(load(&sessions, many, 20).get(), Some(&Login { user: 666 }));
    assert_eq!(openings.swap(0, Ordering::Relaxed), 8);
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
    // What fails the cheap checks does not count among the eight, wherever it stands.
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
    let behind = |count: usize| format!("{}{good}", format!("{forged}; ").repeat(count));
    assert_state(&sessions, behind(7), 0, SessionState::Valid);
    assert_state(&sessions, behind(8), 0, SessionState::Rejected(Reason::NotOurs));
}

// ---- duplicates

/// A session of this user that started and was written last at these seconds.
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

/// So without the `__Host-` prefix a sibling subdomain takes a visitor over with tokens of its own account, none of them newer:
/// browsers send cookies with longer paths first.
#[test]
fn eight_older_genuine_tokens_in_front_displace_the_newest() {
    let seen = Seen::default();
    let sessions = observed(&seen);
    let own = sealed(&sessions, 1, 100, 120);
    let tossed: Vec<_> = (0..8).map(|second| sealed(&sessions, 2, second, second)).collect();
    let behind = |count: usize| tossed[..count].iter().chain([&own]).collect::<Vec<_>>();
    assert_chosen(&sessions, &seen, &behind(7), 1);
    assert_chosen(&sessions, &seen, &behind(8), 2);
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
        let builder = Sessions::<Login>::builder(ring()).clock(|| after(60));
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

/// Signs out by another handle while it is serialised: between the beginning and the end of a write.
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
    let sessions = Sessions::<Meddling>::builder(ring()).build().unwrap();
    let cookies = sessions.cookie_for_at(Meddling { number: 1 }, after(0)).unwrap();
    let mut session = sessions.load_at(RequestFields::from_cookies([cookies]), after(1));
    OTHER.set(Some(session.clone()));
    session.start(Meddling { number: 2 }).unwrap();
    assert_eq!(session.get(), Some(&Meddling { number: 2 }));
    // What was started is not sent with a 500; the sign-out is.
    let patch = session.finish_patch(500);
    assert_eq!(patch.set_cookies().filter(|line| line.contains("Max-Age=0")).count(), 2);
}

// ---- size

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Basket {
    items: String,
    note: String,
}

impl Basket {
    fn of(items: usize) -> Self {
        Self {
            items: "x".repeat(items),
            note: "short".into(),
        }
    }
}

/// The most items that fit beside a cookie name of 9 characters: 2,995 bytes of JSON.
const FITS: usize = 2995 - r#"{"items":"","note":"short"}"#.len();

#[test]
fn the_largest_session_fills_name_and_value_to_4096_bytes() {
    let sessions = Sessions::<Basket>::builder(ring()).build().unwrap();
    let mut session = sessions.load_at(RequestFields::default(), after(0));
    session.start(Basket::of(FITS)).unwrap();
    let cookies = answered("", &session.finish_patch(200));
    let (pair, _) = cookies
        .split_once("; ")
        .expect("the activity cookie comes on top and is not counted");
    assert_eq!(pair.len() - "=".len(), 4096);
    let session = sessions.load_at(RequestFields::from_cookies([cookies]), after(0));
    assert_eq!(session.get(), Some(&Basket::of(FITS)));
}

#[test]
fn a_silent_drop_above_4096_bytes_cannot_happen_one_byte_more_is_refused_with_both_numbers() {
    let seen = Seen::default();
    let sessions = Sessions::<Basket>::builder(ring())
        .observer(seen.observer())
        .build()
        .unwrap();
    let mut session = sessions.load_at(RequestFields::default(), after(0));
    session.start(Basket::of(3)).unwrap();
    let id = session.id();
    let too_large = WriteError::TooLarge {
        size: 4097,
        limit: 4096,
        largest_field: Some(("items".into(), FITS + 1 + 2)),
    };
    assert_eq!(
        session.update(|basket| *basket = Basket::of(FITS + 1)),
        Err(too_large.clone())
    );
    assert_eq!(session.start(Basket::of(FITS + 1)), Err(too_large.clone()));
    let text = too_large.to_string();
    assert!(
        ["4097", "4096", "`items`"].iter().all(|part| text.contains(part)),
        "{text}"
    );
    assert_eq!(
        seen.take(),
        vec![
            Event::TooLarge {
                size: 4097,
                limit: 4096
            };
            2
        ]
    );
    assert_eq!(
        (session.get(), session.id()),
        (Some(&Basket::of(3)), id),
        "it is as it was"
    );
    let _ = session.update(|basket| *basket = Basket::of(FITS)).unwrap();
}

#[test]
fn padding_counts() {
    let sessions = Sessions::<Basket>::builder(ring()).pad_to(1000).build().unwrap();
    let mut session = sessions.load_at(RequestFields::default(), after(0));
    let frame = r#"{"items":"","note":"short"}"#.len();
    session.start(Basket::of(2000 - frame)).unwrap();
    let error = session.start(Basket::of(2001 - frame)).unwrap_err();
    assert!(
        matches!(
            error,
            WriteError::TooLarge {
                size: 4103,
                limit: 4096,
                ..
            }
        ),
        "{error:?}"
    );
    let one = sessions.cookie_for_at(Basket::of(1), after(0)).unwrap();
    let other = sessions.cookie_for_at(Basket::of(900), after(0)).unwrap();
    assert_eq!(one.len(), other.len(), "the length tells nothing");
    let session = sessions.load_at(RequestFields::from_cookies([one]), after(0));
    assert_eq!(session.get(), Some(&Basket::of(1)));
}

// ---- serialisation

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Position {
    height: f64,
}

/// The commonest slip with serde: what is skipped on one side is demanded on the other, and only for some data.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Roles {
    user: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(skip)]
    cached: u32,
}

#[test]
fn data_that_the_next_request_could_not_read_is_refused_whatever_its_size() {
    let sessions = Sessions::<Roles>::builder(ring()).build().unwrap();
    let mut session = sessions.load_at(RequestFields::default(), after(0));
    for user in [0, u64::MAX] {
        let roles = Vec::new();
        assert_eq!(
            session.start(Roles { user, roles, cached: 0 }),
            Err(WriteError::NotReadable)
        );
    }
    let roles = vec!["admin".repeat(100)];
    session
        .start(Roles {
            user: 7,
            roles,
            cached: 0,
        })
        .unwrap();
    assert_eq!(session.update(|data| data.roles.clear()), Err(WriteError::NotReadable));
    assert_eq!(session.get().map(|data| data.roles.len()), Some(1), "as it was");
}

#[test]
fn after_a_write_the_session_is_what_the_next_request_reads() {
    let sessions = Sessions::<Roles>::builder(ring()).build().unwrap();
    let mut session = sessions.load_at(RequestFields::default(), after(0));
    let roles = || vec!["admin".to_owned()];
    session
        .start(Roles {
            user: 7,
            roles: roles(),
            cached: 9,
        })
        .unwrap();
    assert_eq!(
        session.get(),
        Some(&Roles {
            user: 7,
            roles: roles(),
            cached: 0
        })
    );
    let _ = session.update(|data| data.cached = 9).unwrap();
    assert_eq!(session.get().map(|data| data.cached), Some(0));
}

/// Quadratic work would take hours for this, and 4 KiB a write 400 MB.
#[test]
fn a_hundred_thousand_writes_in_one_request_are_as_cheap_each_as_one() {
    let mut session = sessions().load_at(RequestFields::default(), after(0));
    session.start(SEVEN).unwrap();
    let first = session.clone();
    let lent = first.get().unwrap();
    for _ in 0..100_000 {
        let _ = session.update(|login| login.user += 1).unwrap();
    }
    assert_eq!(
        (lent.user, session.get().unwrap().user),
        (7, 100_007),
        "what was lent stays"
    );
    assert_eq!(session.finish_patch(200).set_cookies().count(), 2);
}

#[test]
fn a_number_that_would_be_null_is_refused_at_the_write() {
    let sessions = Sessions::<Position>::builder(ring()).build().unwrap();
    let mut session = sessions.load_at(RequestFields::default(), after(0));
    session.start(Position { height: 1.5 }).unwrap();
    for height in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(session.start(Position { height }), Err(WriteError::NotReadable));
        assert_eq!(
            session.update(|position| position.height = height),
            Err(WriteError::NotReadable)
        );
        assert_eq!(session.get(), Some(&Position { height: 1.5 }));
    }
}

/// Serialises its first field and then fails, if told to.
#[derive(Debug, PartialEq, Deserialize)]
struct Fragile {
    first: u32,
    #[serde(default)]
    breaks: bool,
}

impl Serialize for Fragile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Fragile", 1)?;
        fields.serialize_field("first", &self.first)?;
        if self.breaks {
            return Err(S::Error::custom("secret-in-error"));
        }
        fields.end()
    }
}

#[test]
fn a_serialiser_that_fails_halfway_leaves_the_session_as_it_was() {
    let sessions = Sessions::<Fragile>::builder(ring()).build().unwrap();
    let whole = |first| Fragile { first, breaks: false };
    let cookies = sessions.cookie_for_at(whole(1), after(0)).unwrap();
    let mut session = sessions.load_at(RequestFields::from_cookies([cookies.clone()]), after(0));
    let change = |fragile: &mut Fragile| *fragile = Fragile { first: 2, breaks: true };
    assert_eq!(session.update(change), Err(WriteError::NotSerializable));
    let started = session.start(Fragile { first: 3, breaks: true });
    assert_eq!(started, Err(WriteError::NotSerializable));
    assert!(!format!("{started:?}").contains("secret-in-error"));
    assert_eq!(session.get(), Some(&whole(1)));
    assert_eq!(session.finish_patch(200).set_cookies().count(), 0);
}

#[test]
fn a_closure_that_fails_or_panics_leaves_the_session_as_it_was() {
    let sessions = sessions();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    let mut session = load(&sessions, &cookies, 0);
    let failed = session.try_update(|login| {
        login.user = 8;
        Err::<(), Box<dyn std::error::Error>>("no".into())
    });
    assert_eq!(failed.unwrap_err().to_string(), "no");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        session.update(|login| {
            login.user = 9;
            std::panic::resume_unwind(Box::new("no"));
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(session.get(), Some(&SEVEN));
    let _ = session.update(|login| login.user += 1).unwrap();
    assert_eq!(session.get(), Some(&Login { user: 8 }));
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
    let builder = Sessions::<Secret>::builder(ring())
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
fn the_instant_of_these_tests_is_in_reach_of_the_format() {
    assert!(START + 400 * DAY < u64::from(u32::MAX));
}

#[test]
fn a_session_in_use_lasts_until_its_absolute_timeout() {
    let at = |seconds: i64| OffsetDateTime::from_unix_timestamp(1_800_000_000 + seconds).unwrap();
    let sessions = Sessions::<u8>::builder(ring()).build().unwrap();
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
