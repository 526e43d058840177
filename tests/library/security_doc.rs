//! What SECURITY.md says: its emergency procedures, compiled and tested exactly as written there, and the limits that it admits.
//! And every test that it or docs/evidence.md names exists.

use sealed_session::keys::{KeyError, ParseIdError, SecretText};
use sealed_session::{Key, KeyRing, Session, Sessions};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Login {
    user: u64,
}

fn new_ring() -> Result<SecretText, KeyError> {
    Ok(KeyRing::new(Key::generate()?).write_with_secrets())
}

fn drop_stolen_secret(sessions: &Sessions<Login>, ring: &str) -> Result<(), KeyError> {
    sessions.replace_keys(KeyRing::parse(ring)?);
    Ok(())
}

fn end_all_sessions(sessions: &Sessions<Login>, last_server_was_done: OffsetDateTime) {
    sessions.raise_cut_off(last_server_was_done);
}

fn revoke_from_log(sessions: &Sessions<Login>, id: &str) -> Result<(), ParseIdError> {
    sessions.revoke(id.parse()?);
    Ok(())
}

fn login_if_still_valid(session: &Session<Login>, valid_from: OffsetDateTime) -> Option<&Login> {
    session.started().filter(|&started| started >= valid_from)?;
    session.get()
}

// From here on, nothing is in SECURITY.md: the tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealed_session::{Builder, Event, Lifetime, Reason, RequestFields, SessionId, SessionState};

const SECURITY: &str = include_str!("../../SECURITY.md");
const EVIDENCE: &str = include_str!("../../docs/evidence.md");
const README: &str = include_str!("../../README.md");
const THIS: &str = include_str!("security_doc.rs");

const NOW: i64 = 1_893_369_600;

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(NOW + seconds).unwrap()
}

fn server(ring: &SecretText) -> Sessions<Login> {
    let ring = KeyRing::parse(ring.expose()).unwrap();
    Sessions::builder(ring).clock(|| at(60)).build().unwrap()
}

fn load(sessions: &Sessions<Login>, cookie: &str, seconds: i64) -> Session<Login> {
    sessions.load_at(RequestFields::from_cookies([cookie.to_owned()]), at(seconds))
}

fn sign_in(sessions: &Sessions<Login>, user: u64, seconds: i64) -> String {
    sessions.cookie_for_at(Login { user }, at(seconds)).unwrap()
}

/// The browser's cookies after a response to the request that brought `before`.
fn finish(session: &Session<Login>, before: &str) -> String {
    testkit::answered(before, &session.finish_patch(200))
}

#[track_caller]
fn assert_rejected(sessions: &Sessions<Login>, cookie: &str, seconds: i64, reason: Reason) {
    assert_eq!(load(sessions, cookie, seconds).state(), SessionState::Rejected(reason));
}

#[track_caller]
fn assert_user(sessions: &Sessions<Login>, cookie: &str, seconds: i64, user: u64) {
    assert_eq!(load(sessions, cookie, seconds).get(), Some(&Login { user }));
}

#[test]
fn a_session_from_before_the_sign_in_is_worth_nothing() {
    let sessions = server(&new_ring().unwrap());
    let planted = sign_in(&sessions, 666, 0);
    let mut session = load(&sessions, &planted, 10);
    let planted_id = session.id();
    session.start(Login { user: 7 }).unwrap();
    assert_ne!(session.id(), planted_id);
    let victim = finish(&session, &planted);
    assert_user(&sessions, &victim, 20, 7);
    assert_rejected(&sessions, &planted, 20, Reason::Revoked);
}

#[test]
fn an_older_cookie_may_come_back() {
    let sessions = server(&new_ring().unwrap());
    let older = sign_in(&sessions, 7, 0);
    let mut session = load(&sessions, &older, 10);
    let _ = session.update(|login| login.user = 8).unwrap();
    let newer = finish(&session, &older);
    assert_user(&sessions, &newer, 20, 8);
    assert_user(&sessions, &older, 20, 7);
    assert_user(&sessions, &format!("{older}; {newer}"), 20, 8);
}

#[test]
fn a_copied_cookie_is_dead_after_a_sign_out_unless_that_is_switched_off() {
    for revokes in [true, false] {
        let (sessions, _) = moved_server(|builder| builder.revoke_on_end(revokes));
        let cookie = sign_in(&sessions, 7, 0);
        let copy = cookie.clone();
        let mut session = load(&sessions, &cookie, 10);
        session.end().unwrap();
        assert_eq!(finish(&session, &cookie), "");
        match revokes {
            true => assert_rejected(&sessions, &copy, 20, Reason::Revoked),
            false => assert_user(&sessions, &copy, 20, 7),
        }
    }
}

#[test]
fn a_cycled_session_that_is_answered_after_the_sign_out_lives_on() {
    let sessions = server(&new_ring().unwrap());
    let cookie = sign_in(&sessions, 7, 0);
    let mut slow = load(&sessions, &cookie, 5);
    slow.cycle_id().unwrap();
    let answer = finish(&slow, &cookie);
    load(&sessions, &cookie, 6).end().unwrap();
    assert_rejected(&sessions, &cookie, 7, Reason::Revoked);
    assert_user(&sessions, &answer, 7, 7);
}

#[test]
fn revoking_an_id_does_not_end_what_was_cycled_from_it() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let observer = move |event: &Event| seen.lock().unwrap().push(event.clone());
    let ring = KeyRing::parse(new_ring().unwrap().expose()).unwrap();
    let sessions = Sessions::builder(ring).observer(observer).build().unwrap();
    let stolen = sign_in(&sessions, 7, 0);
    let old = load(&sessions, &stolen, 0).id().unwrap();
    let mut thief = load(&sessions, &stolen, 10);
    thief.cycle_id().unwrap();
    let cycled = finish(&thief, &stolen);
    revoke_from_log(&sessions, &old.to_string()).unwrap();
    assert_rejected(&sessions, &stolen, 20, Reason::Revoked);
    assert_user(&sessions, &cycled, 20, 7);
    let new = events.lock().unwrap().iter().find_map(|event| match *event {
        Event::Cycled { id, previous } if previous == old => Some(id),
        _ => None,
    });
    revoke_from_log(&sessions, &new.expect("the event names both ids").to_string()).unwrap();
    assert_rejected(&sessions, &cycled, 30, Reason::Revoked);
}

#[test]
fn a_stolen_secret_is_dropped_and_what_it_made_is_cut_off() {
    let stolen = new_ring().unwrap();
    let (thief, sessions) = (server(&stolen), server(&stolen));
    let forged = sign_in(&thief, 1, 0);
    // An honest server writes the thief's session again, under the good secret of a rotation that was under way.
    let good = KeyRing::parse(new_ring().unwrap().expose()).unwrap();
    let good = good.write_with_secrets().expose().to_owned();
    let both = format!("{good}{}", stolen.expose().replace("seal ", "open "));
    sessions.replace_keys(KeyRing::parse(&both).unwrap());
    let mut session = load(&sessions, &forged, 300);
    let _ = session.update(|login| login.user = 2).unwrap();
    let laundered = finish(&session, &forged);

    drop_stolen_secret(&sessions, &good).unwrap();
    assert_rejected(&sessions, &forged, 310, Reason::UnknownKey);
    assert_user(&sessions, &laundered, 310, 2);
    end_all_sessions(&sessions, at(310));
    assert_rejected(&sessions, &laundered, 320, Reason::Revoked);
    assert_user(&sessions, &sign_in(&sessions, 7, 311), 320, 7);
}

#[test]
fn a_cut_off_by_another_clock_misses_starts_of_a_server_that_is_ahead() {
    let stolen = new_ring().unwrap();
    let (thief, ahead) = (server(&stolen), server(&stolen));
    let good = new_ring().unwrap();
    let both = format!("{}{}", good.expose(), stolen.expose().replace("seal ", "open "));
    ahead.replace_keys(KeyRing::parse(&both).unwrap());
    // It is 310 on the other servers and 550 on this one, which is within what honest clocks may differ by.
    let forged = sign_in(&thief, 1, 600);
    let mut session = load(&ahead, &forged, 550);
    let _ = session.update(|login| login.user = 2).unwrap();
    session.touch().unwrap();
    let laundered = finish(&session, &forged);
    let sessions = server(&good);
    end_all_sessions(&sessions, at(310));
    assert_user(&sessions, &laundered, 320, 2);
    end_all_sessions(&sessions, at(551));
    assert_rejected(&sessions, &laundered, 320, Reason::Revoked);
}

#[test]
fn a_stolen_session_ends_everywhere() {
    let sessions = server(&new_ring().unwrap());
    let cookie = sign_in(&sessions, 7, 0);
    let other = sign_in(&sessions, 7, 0);
    let copy = cookie.clone();
    let mut session = load(&sessions, &cookie, 10);
    session.end().unwrap();
    assert_eq!(finish(&session, &cookie), "");
    assert_rejected(&sessions, &copy, 20, Reason::Revoked);
    assert_user(&sessions, &other, 20, 7);
    let id = load(&sessions, &other, 20).id().unwrap().to_string();
    revoke_from_log(&sessions, &id).unwrap();
    assert_rejected(&sessions, &other, 30, Reason::Revoked);
    assert!(revoke_from_log(&sessions, "no id").is_err());
}

#[test]
fn all_sessions_of_one_user_end_by_a_time_in_the_record() {
    let sessions = server(&new_ring().unwrap());
    let cookie = sign_in(&sessions, 7, 0);
    let session = load(&sessions, &cookie, 10);
    assert_eq!(login_if_still_valid(&session, at(0)), Some(&Login { user: 7 }));
    assert_eq!(login_if_still_valid(&session, at(1)), None);
}

#[test]
fn all_visitors_are_signed_out_by_the_cut_off() {
    let sessions = server(&new_ring().unwrap());
    let cookies = [sign_in(&sessions, 7, 0), sign_in(&sessions, 8, 5)];
    end_all_sessions(&sessions, at(10) + time::Duration::milliseconds(1));
    for cookie in cookies {
        assert_rejected(&sessions, &cookie, 20, Reason::Revoked);
    }
    assert_rejected(&sessions, &sign_in(&sessions, 7, 10), 20, Reason::Revoked);
    assert_user(&sessions, &sign_in(&sessions, 7, 11), 20, 7);
    end_all_sessions(&sessions, at(0));
    assert_rejected(&sessions, &sign_in(&sessions, 7, 10), 20, Reason::Revoked);
}

#[test]
fn a_cut_off_at_a_whole_second_spares_what_started_within_it() {
    let sessions = server(&new_ring().unwrap());
    let late_in_its_second = at(10) + time::Duration::milliseconds(900);
    let cookie = sessions.cookie_for_at(Login { user: 7 }, late_in_its_second).unwrap();
    end_all_sessions(&sessions, at(10));
    assert_user(&sessions, &cookie, 20, 7);
    end_all_sessions(&sessions, at(11));
    assert_rejected(&sessions, &cookie, 20, Reason::Revoked);
    assert_user(&sessions, &sign_in(&sessions, 7, 11), 20, 7);
}

#[test]
fn a_lost_ring_ends_sessions_and_removes_no_cookie() {
    let cookie = sign_in(&server(&new_ring().unwrap()), 7, 0);
    let sessions = server(&new_ring().unwrap());
    let session = load(&sessions, &cookie, 10);
    assert_eq!(session.state(), SessionState::Rejected(Reason::UnknownKey));
    assert_eq!(finish(&session, &cookie), cookie);
}

#[test]
fn a_session_from_a_fast_clock_waits_for_its_time() {
    const DAY: i64 = 86_400;
    let sessions = server(&new_ring().unwrap());
    let from_tomorrow = sign_in(&sessions, 7, DAY);
    assert_rejected(&sessions, &from_tomorrow, 10, Reason::StartedInFuture);
    end_all_sessions(&sessions, at(10));
    assert_user(&sessions, &from_tomorrow, DAY + 1, 7);
    drop_stolen_secret(&sessions, new_ring().unwrap().expose()).unwrap();
    assert_rejected(&sessions, &from_tomorrow, DAY + 1, Reason::UnknownKey);
}

/// A server whose clock is moved.
fn moved_server(configure: impl FnOnce(Builder<Login>) -> Builder<Login>) -> (Sessions<Login>, Arc<AtomicI64>) {
    let clock = Arc::new(AtomicI64::new(0));
    let read = Arc::clone(&clock);
    let ring = KeyRing::parse(new_ring().unwrap().expose()).unwrap();
    let builder = Sessions::builder(ring).clock(move || at(read.load(Ordering::SeqCst)));
    (configure(builder).build().unwrap(), clock)
}

#[test]
fn what_a_thief_made_does_not_pass_the_cut_off_in_a_request_that_was_running() {
    let writes: [fn(&mut Session<Login>); 4] = [
        |session| _ = session.update(|login| login.user = 8).unwrap(),
        |session| session.cycle_id().unwrap(),
        |session| session.remember(true).unwrap(),
        |session| {
            let user = session.get().unwrap().user;
            session.start(Login { user }).unwrap();
        },
    ];
    for write in writes {
        let (sessions, clock) = moved_server(|builder| builder.remembered(Lifetime::absolute(days(90)).idle(days(14))));
        // As far ahead as the leeway lets it.
        let forged = sign_in(&sessions, 7, 300);
        let slow = sessions.load(RequestFields::from_cookies([forged.clone()]));
        assert_eq!(slow.get(), Some(&Login { user: 7 }));
        clock.store(10, Ordering::SeqCst);
        drop_stolen_secret(&sessions, new_ring().unwrap().expose()).unwrap();
        end_all_sessions(&sessions, at(10));
        clock.store(40, Ordering::SeqCst);
        let mut slow = slow;
        write(&mut slow);
        slow.touch().unwrap();
        assert_eq!(finish(&slow, &forged), forged, "nothing is sent");
    }
}

#[test]
fn a_late_write_of_the_old_session_can_end_a_fresh_one() {
    let sessions = server(&new_ring().unwrap());
    let cookie = sign_in(&sessions, 7, 0);
    let mut slow = load(&sessions, &cookie, 5);
    let _ = slow.update(|login| login.user = 8).unwrap();
    let mut session = load(&sessions, &cookie, 5);
    session.cycle_id().unwrap();
    let fresh = finish(&session, &cookie);
    assert_user(&sessions, &fresh, 6, 7);
    // The old session's data with the new session's activity: neither is a session.
    let mixed = finish(&slow, &fresh);
    assert_rejected(&sessions, &mixed, 7, Reason::Idle);
}

#[test]
fn of_two_sessions_in_one_browser_a_sign_out_ends_both() {
    let (sessions, _) = moved_server(|builder| builder);
    let (older, newer) = (sign_in(&sessions, 7, -10), sign_in(&sessions, 8, 0));
    let mut session = load(&sessions, &format!("{older}; {newer}"), 0);
    assert_eq!(session.get(), Some(&Login { user: 8 }));
    session.end().unwrap();
    _ = session.finish_patch(200);
    // The browser removes one cookie of the name and keeps the other, of another domain, path or partition.
    assert_rejected(&sessions, &newer, 0, Reason::Revoked);
    assert_rejected(&sessions, &older, 0, Reason::Revoked);
}

#[test]
fn two_types_of_session_data_under_one_name_read_each_other() {
    #[derive(Serialize, Deserialize)]
    struct PasswordSeen {
        user: u64,
    }
    let ring = new_ring().unwrap();
    let first_step = |name: &str| {
        let builder = Sessions::<PasswordSeen>::builder(KeyRing::parse(ring.expose()).unwrap());
        let sessions = builder.cookie_name(name).build().unwrap();
        sessions.cookie_for_at(PasswordSeen { user: 7 }, at(0)).unwrap()
    };
    assert_user(&server(&ring), &first_step("__Host-id"), 1, 7);
    // Under a name of its own it opens nothing, even if an attacker renames the cookie.
    let renamed = first_step("__Host-step").replace("__Host-step", "__Host-id");
    assert_rejected(&server(&ring), &renamed, 1, Reason::NotOurs);
}

#[test]
fn an_activity_cookie_of_a_longer_idle_timeout_waits_for_its_time() {
    const DAY: i64 = 86_400;
    let ring = new_ring().unwrap();
    let with_idle = |idle| {
        let builder = Sessions::<Login>::builder(KeyRing::parse(ring.expose()).unwrap());
        let builder = builder.lifetime(Lifetime::absolute(days(30)).idle(idle));
        builder.build().unwrap()
    };
    let kept = sign_in(&with_idle(days(14)), 7, 0);
    let sessions = with_idle(Duration::from_secs(1800));
    assert_rejected(&sessions, &kept, 7 * DAY, Reason::Idle);
    assert_user(&sessions, &kept, 14 * DAY - 60, 7);
    // The absolute timeout holds all the same.
    assert_rejected(&sessions, &kept, 30 * DAY, Reason::Expired);
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

#[test]
fn a_clock_far_ahead_forgets_revoked_ids() {
    let (sessions, clock) = moved_server(|builder| builder);
    let cookie = sign_in(&sessions, 7, 0);
    sessions.revoke(load(&sessions, &cookie, 0).id().unwrap());
    assert_rejected(&sessions, &cookie, 1, Reason::Revoked);
    clock.store(365 * 86_400, Ordering::SeqCst);
    // Enough in every part of the list, which the first byte chooses.
    for id in 0..256 * 200u64 {
        sessions.revoke(SessionId::from_bytes(id.to_le_bytes()));
    }
    assert_user(&sessions, &cookie, 1, 7);
}

/// Lines without their indentation: a block of the page may be indented, inside a list.
fn lines(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_procedures_are_the_ones_that_are_tested() {
    let this = lines(THIS);
    let mut count = 0;
    for block in SECURITY.split("```rust\n").skip(1) {
        let (code, _) = block.split_once("```").expect("a block ends");
        assert!(this.contains(lines(code).trim()), "not compiled here:\n{code}");
        count += 1;
    }
    assert!(count >= 6, "only {count} blocks were found");
}

/// The texts between backticks that are on one line, outside of blocks.
fn quoted(page: &'static str) -> impl Iterator<Item = &'static str> {
    let mut inside = false;
    let prose = page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    prose.flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn every_test_that_the_pages_name_exists() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut names = BTreeSet::new();
    for quoted in quoted(SECURITY).chain(quoted(EVIDENCE)) {
        let Some((file, function)) = quoted.split_once(".rs::").filter(|(file, _)| !file.contains(' ')) else {
            continue;
        };
        if file == "file" {
            continue;
        }
        let path = root.join(format!("{file}.rs"));
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{quoted}: {error}"));
        assert!(is_test(&source, function), "{quoted} is not a test");
        names.insert(quoted);
    }
    assert!(names.len() >= 40, "only {} names were found", names.len());
}

/// The table of docs/evidence.md quotes README, and leaves out no item of the list at README's top.
#[test]
fn every_promise_of_readme_has_a_command() {
    let readme = plain(README);
    let (_, promises) = EVIDENCE.split_once("## Promises of README").unwrap();
    let (promises, _) = promises.split_once("\n## ").unwrap();
    let rows = promises
        .lines()
        .filter(|line| line.contains("` |") && line.starts_with("| "));
    let quotes: Vec<_> = rows
        .map(|row| plain(row.split(" | ").next().unwrap().trim_start_matches("| ")))
        .collect();
    assert!(quotes.len() >= 15, "only {} promises were found", quotes.len());
    for quote in &quotes {
        assert!(readme.contains(quote), "README does not say {quote:?}");
    }
    let list = README.split("## Start").next().unwrap().split("\n- ").skip(1);
    for item in list.map(plain) {
        assert!(
            quotes.iter().any(|quote| item.contains(quote)),
            "no command shows {item:?}"
        );
    }
}

/// Text without links, marks of code and ends of lines.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, link)) = rest.split_once("](") {
        text += before;
        rest = link.split_once(')').map_or("", |(_, after)| after);
    }
    text += rest;
    let text = text.replace(['`', '['], "");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether `function` follows `#[test]`, with at most other attributes or a comment between them.
fn is_test(source: &str, function: &str) -> bool {
    let mut attributes = false;
    source.lines().map(str::trim).any(|line| {
        if line.starts_with("#[test]") || line.contains("::test") && line.starts_with("#[") {
            attributes = true;
            return false;
        }
        let found = attributes && line.contains(&format!("fn {function}("));
        attributes &= line.starts_with("#[") || line.starts_with("//");
        found
    })
}

#[test]
fn what_is_no_test_is_not_taken_for_one() {
    let source = "#[test]\n#[should_panic]\nfn a() {}\nfn b() {}\n#[tokio::test]\nasync fn c() {}\n// fn d()\n";
    assert!(is_test(source, "a") && is_test(source, "c"));
    assert!(!is_test(source, "b") && !is_test(source, "d") && !is_test(source, "e"));
}
