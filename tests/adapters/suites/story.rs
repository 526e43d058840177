//! The life of sessions over real HTTP: servers on loopback, clients that keep cookies as browsers do, and a clock that
//! is moved by hand.

use sealed_session::{Event, Reason, Session, SessionId};
use testkit::http::{Asks as _, Wire};

use self::world::*;
use super::framework;
use crate::frameworks::Broken;
use crate::visits::{ACTIVITY, SESSION};

mod rotation;
mod world;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// 2027-01-15T08:00:00Z.
const START: u64 = 1_800_000_000;

/// The cookies that a sign-out removes, in this order: some clients remove only the last one that a response removes.
const REMOVED: [&str; 2] = [ACTIVITY, SESSION];

// --- The story. ---

#[tokio::test]
async fn a_visitor_without_a_cookie_gets_pages_that_caches_may_keep() {
    let world = World::new().await;
    let mut visitor = world.client();
    assert_untouched(&visitor.get(&world.server, "/imprint").await);
    let home = visitor.get(&world.server, "/").await;
    assert_no_session(&home, "Absent");
    assert_eq!((home.vary(), home.cache_control()), (Some("Cookie"), None));
    let public = visitor.get(&world.server, "/public").await;
    assert_eq!(public.cache_control(), Some("public, max-age=600"));
    assert_eq!(public.line("surrogate-control"), Some("max-age=600"));
    assert_eq!(public.vary(), Some("Cookie"));
    let changed = visitor.post(&world.server, "/theme/dark").await;
    assert_eq!((changed.body.as_str(), changed.cookie_names().len()), ("false", 0));
    assert_eq!(world.events(), []);
}

#[tokio::test]
async fn an_untouched_page_stays_as_it_is_whatever_cookies_come() {
    let world = World::new().await;
    let mut user = world.signed_in(7).await;
    let mut stranger = world.client();
    stranger.put(&format!("{SESSION}=AZ5Igarbage; {ACTIVITY}=%%%"));
    world.events();
    world.pass(10 * MINUTE);
    assert_untouched(&user.get(&world.server, "/imprint").await);
    assert_untouched(&stranger.get(&world.server, "/imprint").await);
    assert_eq!(world.events(), []);
}

#[tokio::test]
async fn signing_in_sets_both_cookies_under_a_new_id() {
    let world = World::new().await;
    let mut user = world.client();
    let answer = user.post(&world.server, "/sign-in/7").await;
    assert_sets(&answer, &[SESSION, ACTIVITY]);
    for line in answer.set_cookies() {
        let (_, attributes) = line.split_once("; ").expect("attributes follow");
        assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax");
    }
    let first = page(&user.get(&world.server, "/").await);
    assert_eq!((first.user, first.started), (7, world.now()));
    assert_eq!((first.expires, first.remembered), (first.started + 12 * HOUR, false));

    world.pass(MINUTE);
    assert_sets(&user.post(&world.server, "/sign-in/8").await, &[SESSION, ACTIVITY]);
    let second = page(&user.get(&world.server, "/").await);
    assert_eq!((second.user, second.started), (8, first.started + MINUTE));
    assert_ne!(first.id, second.id);
}

#[tokio::test]
async fn reading_sends_no_cookie_and_keeps_shared_caches_out() {
    let world = World::new().await;
    let mut user = world.signed_in(7).await;
    let home = user.get(&world.server, "/").await;
    assert_read(&home);
    assert_eq!(page(&home).user, 7);
    world.events();
    let public = user.get(&world.server, "/public").await;
    assert_eq!(public.body, "true");
    assert_eq!(public.cache_control(), Some("private, max-age=600"));
    assert_eq!(public.line("surrogate-control"), None);
    assert_eq!((public.vary(), public.set_cookies().len()), (Some("Cookie"), 0));
    assert_eq!(world.events(), [Event::PublicRemoved]);
}

#[tokio::test]
async fn a_change_sends_the_session_cookie_alone_and_keeps_id_and_start() {
    let world = World::new().await;
    let mut user = world.signed_in(7).await;
    let before = page(&user.get(&world.server, "/").await);
    let activity = user.cookie(ACTIVITY).cloned();
    world.pass(2 * MINUTE);
    assert_sets(&user.post(&world.server, "/theme/dark").await, &[SESSION]);
    assert_eq!(user.cookie(ACTIVITY), activity.as_ref());
    let after = page(&user.get(&world.server, "/").await);
    let theme = "dark".to_owned();
    assert_eq!(after, Page { theme, ..before });
    assert_read(&user.post(&world.server, "/theme/dark").await);
}

#[tokio::test]
async fn a_renewal_sends_the_activity_cookie_alone() {
    let world = World::new().await;
    let mut user = world.signed_in(7).await;
    let signed_in = user.clone();
    let before = page(&user.get(&world.server, "/").await);

    world.pass(3 * MINUTE - 1);
    assert_read(&user.get(&world.server, "/").await);
    world.pass(1);
    let answer = user.get(&world.server, "/").await;
    assert_eq!(answer.cookie_names(), [ACTIVITY]);
    assert_eq!(answer.cache_control(), Some("private, no-cache"));
    assert_eq!(page(&answer), before);
    assert_eq!(user.cookie(SESSION), signed_in.cookie(SESSION));
    assert_ne!(user.value(ACTIVITY), signed_in.value(ACTIVITY));
    assert_read(&user.get(&world.server, "/").await);

    world.pass(1);
    let asked_for = user.post(&world.server, "/renew").await;
    assert_eq!(asked_for.cookie_names(), [ACTIVITY]);
    assert_eq!(user.cookie(SESSION), signed_in.cookie(SESSION));
}

#[tokio::test]
async fn a_visitor_who_comes_every_five_minutes_stays_in_until_the_absolute_timeout() {
    let world = World::new().await;
    let mut user = world.signed_in(7).await;
    let session = user.cookie(SESSION).cloned();
    let mut renewals = 0;
    for _ in 1..12 * 12 {
        world.pass(5 * MINUTE);
        let answer = user.get(&world.server, "/").await;
        assert_eq!(page(&answer).user, 7);
        renewals += answer.set_cookies().len();
    }
    // Every five minutes, until the activity ends where the session ends, half an hour before that.
    assert_eq!(renewals, 12 * 12 - 6);
    assert_eq!(user.cookie(SESSION), session.as_ref());
    world.pass(5 * MINUTE - 1);
    assert_eq!(page(&user.get(&world.server, "/").await).user, 7);
    world.pass(1);
    let over = user.get(&world.server, "/").await;
    assert_no_session(&over, "Rejected(Expired)");
    assert_read(&over);
}

#[tokio::test]
async fn a_visitor_who_is_silent_for_half_an_hour_is_out() {
    let world = World::new().await;
    let mut user = world.signed_in(7).await;
    world.pass(30 * MINUTE - 1);
    let mut late = user.clone();
    assert_eq!(page(&user.get(&world.server, "/").await).user, 7);
    let id = SessionId::from_bytes(
        u64::from_str_radix(&page(&user.get(&world.server, "/").await).id, 16)
            .expect("ids are written in hexadecimal digits")
            .to_be_bytes(),
    );
    world.events();
    world.pass(1);
    let over = late.get(&world.server, "/").await;
    assert_no_session(&over, "Rejected(Idle)");
    assert_read(&over);
    let rejected = Event::Rejected {
        reason: Reason::Idle,
        id: Some(id),
        key_id: Some(world.key_id),
    };
    assert_eq!(world.events(), [rejected]);
    assert_eq!(
        page(&user.get(&world.server, "/").await).user,
        7,
        "the renewed one is in"
    );
    // A session that idled out does not come back by its own next request. It takes a new sign-in.
    assert_sets(&late.post(&world.server, "/sign-in/7").await, &[SESSION, ACTIVITY]);
    assert_eq!(page(&late.get(&world.server, "/").await).user, 7);
}

#[tokio::test]
async fn a_remembered_session_outlives_the_browser_and_thirteen_days_of_silence() {
    let world = World::new().await;
    let mut user = world.client();
    let answer = user.post(&world.server, "/sign-in-remembered/7").await;
    assert_sets(&answer, &[SESSION, ACTIVITY]);
    let lines = answer.set_cookies();
    assert!(lines[0].contains(&format!("; Max-Age={}; ", 90 * DAY)), "{}", lines[0]);
    assert!(lines[1].contains(&format!("; Max-Age={}; ", 14 * DAY)), "{}", lines[1]);
    let started = world.now();
    user.restart();
    let first = page(&user.get(&world.server, "/").await);
    assert!(first.remembered && first.expires == started + 90 * DAY);

    // A visit every 13 days: each one moves the idle timeout, never the end of the session.
    for _ in 0..6 {
        world.pass(13 * DAY);
        user.restart();
        let answer = user.get(&world.server, "/").await;
        assert_eq!(answer.cookie_names(), [ACTIVITY]);
        let left = (14 * DAY).min(started + 90 * DAY - world.now());
        assert!(answer.set_cookies()[0].contains(&format!("; Max-Age={left}; ")));
        assert_eq!(page(&answer), first);
    }
    world.pass(started + 90 * DAY - 1 - world.now());
    assert_eq!(page(&user.get(&world.server, "/").await), first);
    let kept = user.cookie_field();
    world.pass(1);
    assert_eq!(user.cookie_field(), "", "the browser has dropped both by itself");
    let mut keeper = world.client();
    keeper.put(&kept);
    assert_no_session(&keeper.get(&world.server, "/").await, "Rejected(Expired)");
}

#[tokio::test]
async fn a_remembered_session_ends_after_fourteen_days_of_silence() {
    let world = World::new().await;
    let mut user = world.client();
    user.post(&world.server, "/sign-in-remembered/7").await;
    world.pass(14 * DAY - 1);
    assert_eq!(page(&user.clone().get(&world.server, "/").await).user, 7);
    world.pass(1);
    assert_no_session(&user.get(&world.server, "/").await, "Rejected(Idle)");
}

#[tokio::test]
async fn a_session_that_is_no_longer_remembered_ends_with_the_browser() {
    let world = World::new().await;
    let mut user = world.client();
    user.post(&world.server, "/sign-in-remembered/7").await;
    let before = page(&user.get(&world.server, "/").await);
    world.pass(HOUR);
    let answer = user.post(&world.server, "/forget-me").await;
    assert_eq!(answer.body, "Ok(())");
    assert_sets(&answer, &[SESSION, ACTIVITY]);
    let after = page(&user.get(&world.server, "/").await);
    assert_eq!((after.remembered, after.expires), (false, after.started + 12 * HOUR));
    assert_eq!(after.started, before.started);
    assert_ne!(after.id, before.id, "an id never changes its kind");
    user.restart();
    assert_eq!(user.cookie_field(), "");
}

#[tokio::test]
async fn a_remembered_session_too_old_for_an_ordinary_one_cannot_silently_stay_remembered() {
    let world = World::new().await;
    let (mut user, mut other) = (world.client(), world.client());
    for visitor in [&mut user, &mut other] {
        visitor.post(&world.server, "/sign-in-remembered/7").await;
    }
    world.pass(12 * HOUR - 1);
    assert_eq!(other.post(&world.server, "/forget-me").await.body, "Ok(())");
    world.pass(1);
    let answer = user.post(&world.server, "/forget-me").await;
    assert_eq!(answer.body, "Err(Expiry)", "the handler is told, and can clear it");
    assert!(page(&user.get(&world.server, "/").await).remembered);
}

#[tokio::test]
async fn an_ordinary_session_ends_with_the_browser() {
    let world = World::new().await;
    let mut user = world.signed_in(7).await;
    user.restart();
    assert_no_session(&user.get(&world.server, "/").await, "Absent");
}

#[tokio::test]
async fn signing_out_removes_both_cookies() {
    let world = World::new().await;
    let mut user = world.signed_in(7).await;
    let answer = user.post(&world.server, "/sign-out").await;
    assert_sets(&answer, &REMOVED);
    assert!(answer.set_cookies().iter().all(|line| line.contains("=; ")));
    assert_eq!(user.cookie_field(), "");
    assert_no_session(&user.get(&world.server, "/").await, "Absent");
    // Also without a cookie: the browser may have it under another path, or have got it too late.
    assert_sets(&user.post(&world.server, "/sign-out").await, &REMOVED);
}

#[tokio::test]
async fn a_copy_taken_before_the_sign_out_is_dead() {
    let world = World::new().await;
    let mut user = world.signed_in(7).await;
    let mut thief = user.clone();
    user.post(&world.server, "/sign-out").await;
    assert_no_session(&thief.get(&world.server, "/").await, "Rejected(Revoked)");
    world.pass(12 * HOUR);
    assert_no_session(&thief.get(&world.server, "/").await, "Rejected(Expired)");
}

#[tokio::test]
async fn a_copy_of_a_revoked_session_is_refused_at_once() {
    let world = World::new().await;
    let mut user = world.signed_in(7).await;
    let mut other = world.signed_in(7).await;
    let mut thief = user.clone();
    user.post(&world.server, "/theme/dark").await;
    let mut thief_of_the_change = user.clone();
    user.post(&world.server, "/sign-out-everywhere").await;
    assert_no_session(&thief.get(&world.server, "/").await, "Rejected(Revoked)");
    assert_no_session(&thief_of_the_change.get(&world.server, "/").await, "Rejected(Revoked)");
    assert_eq!(
        page(&other.get(&world.server, "/").await).user,
        7,
        "another session of the same user"
    );
    user.post(&world.server, "/sign-in/7").await;
    assert_eq!(page(&user.get(&world.server, "/").await).user, 7);
}

#[tokio::test]
async fn a_renewal_that_arrives_last_undoes_neither_a_sign_out_nor_a_change() {
    let world = World::new().await;
    for path in ["/theme/dark", "/sign-out", "/sign-in/8"] {
        let mut user = world.signed_in(7).await;
        world.pass(3 * MINUTE);
        let renewal = user.clone().get(&world.server, "/").await;
        assert_eq!(renewal.cookie_names(), [ACTIVITY]);
        user.post(&world.server, path).await;
        let then = user.clone();
        let before = then.clone().get(&world.server, "/").await.body;
        user.keep(&renewal);
        assert_eq!(user.cookie(SESSION), then.cookie(SESSION));
        let after = user.get(&world.server, "/").await.body;
        match path {
            // The activity cookie is the old session's. The new session has lost its own, so it does not open.
            "/sign-in/8" => assert_eq!(after, "Rejected(Idle)"),
            _ => assert_eq!(after, before),
        }
    }
}

#[tokio::test]
async fn a_change_that_arrives_after_a_sign_out_does_not_bring_the_session_back() {
    let world = World::new().await;
    let mut user = world.signed_in(7).await;
    world.pass(3 * MINUTE);
    let change = user.clone().post(&world.server, "/theme/dark").await;
    assert_eq!(change.cookie_names(), [SESSION, ACTIVITY]);
    user.post(&world.server, "/sign-out").await;
    user.keep(&change);
    assert_no_session(&user.get(&world.server, "/").await, "Rejected(Revoked)");
}

#[tokio::test]
async fn the_cut_off_ends_all_sessions_and_a_new_sign_in_works() {
    let world = World::new().await;
    let mut users = vec![world.signed_in(7).await, world.signed_in(8).await];
    world.pass(MINUTE);
    users.push(world.signed_in(9).await);
    let mut thief = users[0].clone();
    world.pass(1);
    world.sessions.raise_cut_off(world.clock.now());
    for user in &mut users {
        let answer = user.get(&world.server, "/").await;
        assert_no_session(&answer, "Rejected(Revoked)");
        assert_read(&answer);
        user.post(&world.server, "/sign-in/10").await;
        assert_eq!(page(&user.get(&world.server, "/").await).user, 10);
    }
    // The cut-off is never lowered.
    world.sessions.raise_cut_off(world.clock.now() - seconds(DAY));
    assert_no_session(&thief.get(&world.server, "/").await, "Rejected(Revoked)");
}

#[tokio::test]
async fn a_failing_page_discards_what_was_written_and_sends_a_sign_out() {
    let world = World::new().await;
    let mut user = world.signed_in(7).await;
    let before = user.cookie_field();
    world.events();
    for (path, status) in [("/failing/theme/dark", 500), ("/failing/sign-in/8", 503)] {
        let answer = user.post(&world.server, path).await;
        assert_eq!(answer.status, status);
        assert_eq!(
            (answer.set_cookies().len(), answer.cache_control()),
            (0, Some("private, no-cache"))
        );
        assert_eq!(world.events(), [Event::WriteDiscarded { status }]);
    }
    assert_eq!(user.cookie_field(), before);
    let page = page(&user.get(&world.server, "/").await);
    assert_eq!((page.user, page.theme.as_str()), (7, "light"));

    let answer = user.post(&world.server, "/failing/sign-out").await;
    assert_eq!(answer.status, 502);
    assert_sets(&answer, &REMOVED);
    assert_eq!(user.cookie_field(), "");
}

#[tokio::test]
async fn a_handler_that_returns_an_error_discards_what_it_wrote_and_sends_a_sign_out() {
    let world = World::new().await;
    let mut user = world.signed_in(7).await;
    let before = user.cookie_field();
    world.events();
    let answer = user.post(&world.server, "/broken/sign-in/8").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (503, "it is broken"));
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert_eq!(answer.cache_control(), Some("private, no-cache"));
    assert_eq!(world.events(), [Event::WriteDiscarded { status: 503 }]);
    assert_eq!(user.cookie_field(), before);
    // A status below 500 is an answer like any other.
    let answer = user.post(&world.server, "/forbidden/sign-in/8").await;
    assert_eq!(answer.status, 403);
    assert_sets(&answer, &[SESSION, ACTIVITY]);
    assert_eq!(page(&user.get(&world.server, "/").await).user, 8);

    let answer = user.post(&world.server, "/broken/sign-out").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (502, "it is broken"));
    assert_sets(&answer, &REMOVED);
    assert_eq!(user.cookie_field(), "");
}

/// Writes as the path says, "/clear/502" or "/start/503", and fails.
fn write_and_fail(session: &mut Session<Login>, path: &str) -> Broken {
    let (write, status) = path.trim_start_matches('/').split_once('/').expect("two words");
    let theme = "light".to_owned();
    let written = match write {
        "clear" => session.end(),
        "start" => session.start(Login { user: 8, theme }),
        _ => {
            assert_eq!(session.get().map(|login| login.user), Some(7));
            Ok(())
        }
    };
    written.expect("nothing hinders it");
    Broken(status.parse().expect("a status"))
}

/// The two frameworks differ here: tower has no response that could carry a cookie, and actix makes every error a
/// response.
#[tokio::test]
async fn an_inner_service_that_fails_after_a_write_sends_what_the_framework_lets_it_send() {
    let world = World::new().await;
    let running = framework::serve_failing(world.sessions.clone(), write_and_fail).await;
    let failing = Wire::new(running.address());
    for (path, names, reported) in [
        ("/read/500", &[][..], true),
        ("/start/503", &[], false),
        ("/start/403", &[SESSION, ACTIVITY], true),
        ("/clear/502", &REMOVED, true),
        ("/clear/404", &REMOVED, true),
    ] {
        let mut user = world.signed_in(7).await;
        let before = user.cookie_field();
        world.events();
        let answer = user.post(&failing, path).await;
        let status: u16 = path.rsplit('/').next().expect("a status").parse().expect("a status");
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, "it is broken"));
        let mut events = world.events();
        let count = events.len();
        events.retain(|event| !matches!(event, Event::Revoked { .. }));
        let revokes = path.starts_with("/clear") || (framework::ERRORS_CARRY_COOKIES && path == "/start/403");
        assert_eq!(count - events.len(), usize::from(revokes), "{path}");
        let discarded = |status| vec![Event::WriteDiscarded { status }];
        if framework::ERRORS_CARRY_COOKIES {
            assert_eq!(answer.cookie_names(), names, "{path}");
            assert_eq!(answer.vary(), Some("Cookie"), "{path}");
            let rule = if names.is_empty() {
                "private, no-cache"
            } else {
                "private, no-store"
            };
            assert_eq!(answer.cache_control(), Some(rule), "{path}");
            let removed = answer.set_cookies().iter().all(|line| line.contains("=; "));
            assert_eq!(removed, !path.starts_with("/start/4"), "{path}");
            assert_eq!(events == discarded(status), !reported, "{path}: {events:?}");
        } else {
            assert_untouched(&answer);
            assert_eq!(user.cookie_field(), before);
            // The layer does not know the status of an error and reports 500.
            let expected = if path.starts_with("/read") {
                vec![]
            } else {
                discarded(500)
            };
            assert_eq!(events, expected, "{path}");
        }
    }
}

// --- After the header block. ---

#[tokio::test]
async fn a_body_that_touches_the_session_while_it_is_sent_is_too_late() {
    let world = World::new().await;
    let mut user = world.signed_in(7).await;
    let before = user.cookie_field();
    world.events();
    let answer = user.get(&world.server, "/stream/untouched").await;
    assert_eq!(answer.body, "None, Rejected(TooLate), all writes too late: true");
    assert_untouched(&answer);
    let reads = vec![Event::ReadTooLate; 2];
    assert_eq!(world.events(), [reads, vec![Event::WriteTooLate; 6]].concat());
    assert_eq!(user.cookie_field(), before);
    assert_eq!(page(&user.get(&world.server, "/").await).user, 7);
}

#[tokio::test]
async fn what_was_read_before_the_header_block_stays_readable_in_the_body() {
    let world = World::new().await;
    let mut user = world.signed_in(7).await;
    world.events();
    let answer = user.get(&world.server, "/stream/read").await;
    assert_eq!(answer.body, "Some(7) then Some(7), Valid, all writes too late: true");
    assert_read(&answer);
    assert_eq!(world.events(), vec![Event::WriteTooLate; 6]);
    let mut visitor = world.client();
    let answer = visitor.get(&world.server, "/stream/read").await;
    assert_eq!(answer.body, "None then None, Absent, all writes too late: true");
}

#[tokio::test]
async fn a_task_that_outlives_its_request_is_too_late() {
    let mut world = World::new().await;
    let mut user = world.signed_in(7).await;
    let answer = user.get(&world.server, "/spawn").await;
    assert_eq!(answer.body, "working on it");
    assert_untouched(&answer);
    world.events();
    let late = world.late.recv().await.expect("the handler has spawned it");
    late.go.send(()).expect("the task waits");
    let result = late.result.await.expect("the task answers");
    assert_eq!(result, "None, Rejected(TooLate), all writes too late: true");
    let reads = vec![Event::ReadTooLate; 2];
    assert_eq!(world.events(), [reads, vec![Event::WriteTooLate; 6]].concat());
    assert_eq!(page(&user.get(&world.server, "/").await).user, 7);
}
