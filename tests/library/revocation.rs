//! Revocation as applications and fleets use it: lists that servers exchange, sign-outs that end copies, the
//! application's own check.
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sealed_session::revocation::{Revocation, RevocationCursor, RevocationList, Revocations};
use sealed_session::{
    Builder, Event, KeyRing, Lifetime, Reason, RequestFields, Session, SessionId, SessionState, Sessions,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use testkit::{DAY, START, Seen, after, answered, at, key, ring, unhex};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Login {
    user: u32,
    generation: u32,
}

const LONGEST: u64 = 12 * 3600 + 5 * 60;

/// A server of the fleet. All have the same ring.
fn server(configure: impl FnOnce(Builder<Login>) -> Builder<Login>) -> Sessions<Login> {
    configure(Sessions::builder(ring()).clock(|| after(100)))
        .build()
        .unwrap()
}

fn with_list() -> (Sessions<Login>, Revocations) {
    let list = Revocations::new();
    (server(|builder| builder.revocation_list(list.clone())), list)
}

fn sign_in(sessions: &Sessions<Login>, generation: u32, at: u64) -> String {
    sessions
        .cookie_for_at(Login { user: 7, generation }, after(at))
        .unwrap()
}

fn load(sessions: &Sessions<Login>, cookie: &str) -> Session<Login> {
    sessions.load_at(RequestFields::from_cookies([cookie.to_owned()]), after(100))
}

#[track_caller]
fn assert_rejected(sessions: &Sessions<Login>, cookie: &str, reason: Reason) {
    assert_eq!(load(sessions, cookie).state(), SessionState::Rejected(reason));
}

fn sent(session: &Session<Login>) -> usize {
    session.finish_patch(200).set_cookies().count()
}

// ---- lists that travel

#[test]
fn a_sign_out_and_a_cut_off_reach_other_servers_and_survive_a_restart() {
    let ((one, here), (other, there)) = (with_list(), with_list());
    let cookie = sign_in(&one, 0, 0);
    let neighbour = sign_in(&one, 0, 0);
    let mut cursor = RevocationCursor::default();
    load(&one, &cookie).end().unwrap();
    assert_eq!(
        load(&other, &cookie).state(),
        SessionState::Valid,
        "it has not heard of it yet"
    );
    let delta = here.delta_since_at(&mut cursor, after(100)).unwrap();
    assert_eq!(there.merge_at(&delta, after(100)), Ok(1));
    assert_rejected(&other, &cookie, Reason::Revoked);
    assert_eq!(load(&other, &neighbour).state(), SessionState::Valid);

    one.raise_cut_off(after(50));
    let delta = here.delta_since_at(&mut cursor, after(100)).unwrap();
    assert_eq!(there.merge_at(&delta, after(100)), Ok(1));
    assert_rejected(&other, &neighbour, Reason::Revoked);
    let later = sign_in(&other, 0, 50);
    assert_eq!(load(&other, &later).state(), SessionState::Valid);

    let (restarted, again) = with_list();
    assert_eq!(again.merge_at(&there.snapshot_at(after(100)), after(100)), Ok(2));
    for over in [&cookie, &neighbour] {
        assert_rejected(&restarted, over, Reason::Revoked);
    }
    assert_eq!(load(&restarted, &later).state(), SessionState::Valid);
}

#[test]
fn every_server_that_learns_of_a_cut_off_says_so_once() {
    let (seen, list) = (Seen::default(), Revocations::new());
    let other = server(|builder| builder.revocation_list(list.clone()).observer(seen.observer()));
    let (_, here) = with_list();
    here.raise_cut_off(after(50));
    let snapshot = here.snapshot_at(after(100));
    assert_eq!(list.merge_at(&snapshot, after(100)), Ok(1));
    assert_eq!(list.merge_at(&snapshot, after(100)), Ok(0));
    assert_eq!(seen.take(), [Event::CutOffRaised { to: START + 50 }]);
    other.raise_cut_off(after(60));
    assert_eq!(seen.take(), [Event::CutOffRaised { to: START + 60 }]);
}

#[test]
fn an_entry_lasts_until_no_session_of_its_id_can_be_valid_and_no_longer() {
    let (sessions, list) = with_list();
    load(&sessions, &sign_in(&sessions, 0, 40)).end().unwrap();
    assert_lasts(&list, 40 + LONGEST);
    // An id does not say when its session started: at the latest now, by a clock that is 5 minutes ahead.
    sessions.revoke(SessionId::from_bytes([7; 8]));
    assert_lasts(&list, 100 + 300 + LONGEST);
}

/// The list has one entry, which is removed at this second.
#[track_caller]
fn assert_lasts(list: &Revocations, over: u64) {
    let entries = |now: u64| (list.snapshot_at(after(now)).len() - 17) / 12;
    assert_eq!((entries(over - 1), entries(over)), (1, 0));
}

#[test]
fn an_entry_lasts_as_long_as_sessions_of_its_kind() {
    let days = |days| Duration::from_secs(days * DAY);
    let with = |absolute: Duration| {
        let list = Revocations::new();
        let configured = list.clone();
        let sessions = server(|builder| {
            let builder = builder
                .lifetime(Lifetime::absolute(absolute))
                .remembered(Lifetime::absolute(days(90)).idle(days(14)));
            builder.revocation_list(configured)
        });
        (sessions, list)
    };
    let twelve_hours = Duration::from_secs(12 * 3600);
    // An ordinary session of an application that also remembers: 180 times shorter than 90 days.
    let (sessions, list) = with(twelve_hours);
    let ordinary = sign_in(&sessions, 0, 40);
    load(&sessions, &ordinary).end().unwrap();
    assert_lasts(&list, 40 + LONGEST);

    let (sessions, list) = with(twelve_hours);
    let mut session = sessions.load_at(RequestFields::default(), after(40));
    session.start(Login { user: 7, generation: 0 }).unwrap();
    session.remember(true).unwrap();
    let remembered = answered("", &session.finish_patch(200));
    load(&sessions, &remembered).end().unwrap();
    assert_lasts(&list, 40 + 90 * DAY + 300);

    // A token from before the timeout was shortened still opens on a server with the old configuration.
    let longer = sign_in(&with(days(3)).0, 0, 40);
    let (sessions, list) = with(twelve_hours);
    load(&sessions, &longer).end().unwrap();
    assert_lasts(&list, 40 + 3 * DAY + 300);
    // A token from before it was lengthened may be written anew.
    let (sessions, list) = with(days(3));
    load(&sessions, &ordinary).end().unwrap();
    assert_lasts(&list, 40 + 3 * DAY + 300);

    // No token lasts longer than this.
    let (sessions, list) = with(days(400));
    sessions.revoke(SessionId::from_bytes([7; 8]));
    assert_lasts(&list, 100 + 400 * DAY + 300);
}

/// An application's own list, without cut-offs.
struct IdsAlone;

impl RevocationList for IdsAlone {
    fn is_revoked(&self, _id: SessionId) -> bool {
        false
    }

    fn revoke_at(&self, _revoked: Revocation, _now: OffsetDateTime) {}
}

#[test]
fn the_cut_off_holds_in_this_process_whatever_the_list_does_with_it() {
    let sessions = server(|builder| builder.revocation_list(IdsAlone));
    let cookie = sign_in(&sessions, 0, 0);
    sessions.raise_cut_off(after(1));
    assert_rejected(&sessions, &cookie, Reason::Revoked);
}

#[test]
fn the_vectors_are_read_as_they_say() {
    let file: Value = serde_json::from_str(include_str!("../data/revocations.json")).unwrap();
    let now = at(file["now"].as_u64().unwrap());
    let rows = file["rows"].as_array().unwrap();
    assert!(rows.len() > 10);
    for row in rows {
        let list = Revocations::new();
        let outcome = match list.merge_at(&unhex(row["hex"].as_str().unwrap()), now) {
            Ok(_) => "ok",
            Err(error) => match error {
                sealed_session::revocation::RevocationsError::NotAList => "not a list",
                sealed_session::revocation::RevocationsError::UnknownVersion { .. } => "unknown version",
                sealed_session::revocation::RevocationsError::Length => "length",
                sealed_session::revocation::RevocationsError::Order => "order",
                _ => "another",
            },
        };
        assert_eq!(row["expect"], outcome, "{row}");
        let ids = row["ids"].as_array().cloned().unwrap_or_default();
        let ids = ids.iter().map(|id| id.as_str().unwrap().parse::<SessionId>().unwrap());
        assert_eq!(ids.clone().count(), list.len(), "{row}");
        assert!(ids.into_iter().all(|id| list.is_revoked(id)), "{row}");
        let cut_off = list.cut_off().map_or(0, OffsetDateTime::unix_timestamp);
        assert_eq!(row["cut_off"].as_i64().unwrap_or(0), cut_off, "{row}");
    }
}

#[test]
fn the_example_of_the_specification_is_a_vector() {
    let spec = include_str!("../../SPEC.md");
    let (_, block) = spec.split_once("```revocations\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let hex: String = block
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(unhex(&hex).len(), 17 + 2 * 12);
    let vectors = include_str!("../data/revocations.json");
    assert!(vectors.contains(&format!("\"{hex}\"")), "{hex}");
}

// ---- a sign-out that is real

/// A thief was active all the time. The visitor comes back with cookies that no longer open here, and signs out.
#[test]
fn a_sign_out_revokes_a_genuine_token_whatever_is_wrong_with_its_session() {
    #[derive(Debug, Serialize, Deserialize)]
    struct NewLogin {
        user: u32,
        name: String,
    }
    let list = Revocations::new();
    let (accepting, here) = (server(|builder| builder), list.clone());
    let with_list = |builder: Builder<Login>| builder.revocation_list(here.clone());
    let cookie = || sign_in(&accepting, 0, 0);
    let mut seconds = 0;
    let mut revoked = |cookie: String, reason, sign_out: &dyn Fn(RequestFields)| {
        seconds += 1;
        let copy = accepting.load_at(RequestFields::from_cookies([cookie.clone()]), after(seconds));
        assert_eq!(copy.state(), SessionState::Valid, "{reason:?}");
        let id = copy.id().unwrap();
        sign_out(RequestFields::from_cookies([cookie]));
        assert!(list.is_revoked(id), "{reason:?}");
    };
    let signed_out = |sessions: Sessions<Login>, seconds, reason| {
        move |fields: RequestFields| {
            let mut session = sessions.load_at(fields, at(START) + time::Duration::seconds(seconds));
            assert_eq!(session.state(), SessionState::Rejected(reason));
            session.end().unwrap();
            assert_eq!(session.finish_patch(200).set_cookies().count(), 2);
        }
    };
    let after_lunch = signed_out(server(with_list), 1900, Reason::Idle);
    revoked(cookie(), Reason::Idle, &after_lunch);
    let slow_clock = signed_out(server(with_list), -301, Reason::StartedInFuture);
    revoked(cookie(), Reason::StartedInFuture, &slow_clock);
    let shortened = server(|builder| with_list(builder.lifetime(Lifetime::absolute(Duration::from_secs(60)))));
    revoked(cookie(), Reason::TooOld, &signed_out(shortened, 60, Reason::TooOld));
    let refusing = server(|builder| with_list(builder.refuse_if(|_| true)));
    revoked(cookie(), Reason::Refused, &signed_out(refusing, 60, Reason::Refused));
    let deployed = Sessions::<NewLogin>::builder(ring())
        .revocation_list(list.clone())
        .build()
        .unwrap();
    revoked(cookie(), Reason::Payload, &|fields| {
        let mut session = deployed.load_at(fields, after(60));
        assert_eq!(session.state(), SessionState::Rejected(Reason::Payload));
        session.end().unwrap();
    });
    // Without its activity cookie.
    let (session, _) = cookie()
        .split_once("; ")
        .map(|(one, two)| (one.to_owned(), two.to_owned()))
        .unwrap();
    let no_idle = server(|builder| builder.lifetime(Lifetime::default().without_idle()));
    let id = load(&no_idle, &session).id().unwrap();
    load(&server(with_list), &session).end().unwrap();
    assert!(list.is_revoked(id));
}

#[test]
fn a_start_and_a_change_of_kind_revoke_the_session_that_came_once_they_are_sent() {
    let acts: [fn(&mut Session<Login>); 2] = [
        |session| session.start(Login { user: 8, generation: 0 }).unwrap(),
        |session| session.remember(true).unwrap(),
    ];
    for act in acts {
        for (revokes, status) in [(true, 200), (true, 500), (false, 200)] {
            let days = |days| Duration::from_secs(days * DAY);
            let sessions = server(|builder| {
                builder
                    .remembered(Lifetime::absolute(days(90)).idle(days(14)))
                    .revoke_on_end(revokes)
            });
            let cookie = sign_in(&sessions, 0, 0);
            let mut session = load(&sessions, &cookie);
            act(&mut session);
            assert_eq!(load(&sessions, &cookie).state(), SessionState::Valid, "not sent yet");
            let is_sent = session.finish_patch(status).set_cookies().count() == 2;
            assert_eq!(is_sent, status == 200);
            let expected = match is_sent && revokes {
                true => SessionState::Rejected(Reason::Revoked),
                false => SessionState::Valid,
            };
            assert_eq!(load(&sessions, &cookie).state(), expected);
        }
    }
}

#[test]
fn a_sign_out_revokes_all_of_the_eight_sessions_that_came_and_no_ninth() {
    let (sessions, list) = with_list();
    let cookies: Vec<String> = (0..9)
        .map(|_| sign_in(&sessions, 0, 0).split_once(';').unwrap().0.to_owned())
        .collect();
    let mut session = load(&sessions, &cookies.join("; "));
    session.end().unwrap();
    session.end().unwrap();
    assert_eq!(list.len(), 8);
}

#[test]
fn of_several_refused_for_one_reason_the_first_is_reported() {
    let seen = Seen::default();
    let sessions = server(|builder| builder.observer(seen.observer()));
    let [one, other] = [1, 2].map(|user| sign_in(&sessions, user, 0));
    let ids = [&one, &other].map(|cookie| load(&sessions, cookie).id());
    ids.into_iter().flatten().for_each(|id| sessions.revoke(id));
    for (cookies, first) in [([&one, &other], ids[0]), ([&other, &one], ids[1])] {
        seen.take();
        let session = load(&sessions, &format!("{}; {}", cookies[0], cookies[1]));
        assert_eq!(session.state(), SessionState::Rejected(Reason::Revoked));
        let is_first = |event: &Event| matches!(event, Event::Rejected { id, .. } if *id == first);
        assert!(seen.take().iter().any(is_first));
    }
}

#[test]
fn a_cut_off_is_reported_when_it_rises() {
    let seen = Seen::default();
    let sessions = server(|builder| builder.observer(seen.observer()));
    for to in [10, 10, 9, 11] {
        sessions.raise_cut_off(after(to));
    }
    let raised = [10, 11].map(|to| Event::CutOffRaised { to: START + to });
    assert_eq!(seen.take(), raised);
}

#[test]
fn a_value_that_is_no_token_names_no_key_and_one_under_an_unknown_key_does() {
    let seen = Seen::default();
    let sessions = server(|builder| builder.observer(seen.observer()));
    let cookie = sign_in(&sessions, 0, 0);
    seen.take();
    let (session, rest) = cookie.split_once(';').unwrap();
    let malformed = format!("{}!;{rest}", &session[..session.len() - 1]);
    assert!(load(&sessions, &malformed).get().is_none());
    let (reason, id, key_id) = (Reason::Malformed, None, None);
    assert_eq!(seen.take(), [Event::Rejected { reason, id, key_id }]);
    sessions.replace_keys(KeyRing::new(key(2)));
    seen.take();
    assert!(load(&sessions, &cookie).get().is_none());
    let (reason, key_id) = (Reason::UnknownKey, Some(key(1).id()));
    assert_eq!(seen.take(), [Event::Rejected { reason, id, key_id }]);
}

#[test]
fn a_damaged_token_is_no_token_of_its_id() {
    let seen = Seen::default();
    let list = Revocations::new();
    let sessions = server(|builder| builder.revocation_list(list.clone()).observer(seen.observer()));
    let cookie = sign_in(&sessions, 0, 0);
    seen.take();
    let (session, rest) = cookie.split_once(';').unwrap();
    let last = if session.ends_with('A') { "Q" } else { "A" };
    let damaged = format!("{}{last};{rest}", &session[..session.len() - 1]);
    let mut session = load(&sessions, &damaged);
    assert_eq!(session.state(), SessionState::Rejected(Reason::Damaged));
    session.end().unwrap();
    // A holder of check keys can make such a head with any id.
    let reason = Reason::Damaged;
    let (id, key_id) = (None, Some(key(1).id()));
    assert_eq!(seen.take(), [Event::Rejected { reason, id, key_id }]);
    assert!(list.is_empty());
}

#[test]
fn a_sign_out_ends_the_session_that_came_whatever_the_request_did_to_it_before() {
    let acts: [fn(&mut Session<Login>); 3] = [
        |session| session.cycle_id().unwrap(),
        |session| {
            session.start(Login { user: 8, generation: 0 }).unwrap();
        },
        |session| session.end().unwrap(),
    ];
    for act in acts {
        let (sessions, list) = with_list();
        let cookie = sign_in(&sessions, 0, 0);
        let mut session = load(&sessions, &cookie);
        act(&mut session);
        session.end().unwrap();
        assert_rejected(&sessions, &cookie, Reason::Revoked);
        assert!((1..=2).contains(&list.len()));
    }
}

#[test]
fn a_second_clear_revokes_nothing_again() {
    let seen = Seen::default();
    let sessions = server(|builder| builder.observer(seen.observer()));
    let cookie = sign_in(&sessions, 0, 0);
    seen.take();
    let mut session = load(&sessions, &cookie);
    let id = session.id().unwrap();
    session.end().unwrap();
    session.end().unwrap();
    assert_eq!(seen.take(), [Event::Revoked { id }]);
}

/// A write is not sent if another server ended its session while the request ran: `finish` asks the list again.
#[test]
fn a_running_write_does_not_bring_back_what_another_server_ended() {
    let seen = Seen::default();
    let list = Revocations::new();
    let other = server(|builder| builder.revocation_list(list.clone()).observer(seen.observer()));
    let (one, here) = with_list();
    for write in [
        |session: &mut Session<Login>| session.update(|login| login.user += 1).map(|_| ()).unwrap(),
        |session: &mut Session<Login>| session.cycle_id().unwrap(),
        |session: &mut Session<Login>| session.touch().unwrap(),
    ] {
        let cookie = sign_in(&one, 0, 0);
        let mut running = load(&other, &cookie);
        write(&mut running);
        let mut untold = load(&other, &cookie);
        write(&mut untold);
        assert!(sent(&untold) > 0);
        load(&one, &cookie).end().unwrap();
        _ = list.merge_at(&here.snapshot_at(after(100)), after(100)).unwrap();
        seen.take();
        assert_eq!(sent(&running), 0);
    }
    // A sign-in over it is not sent either: it may carry on data of the old session.
    let cookie = sign_in(&one, 0, 0);
    let mut running = load(&other, &cookie);
    running.start(Login { user: 8, generation: 0 }).unwrap();
    load(&one, &cookie).end().unwrap();
    _ = list.merge_at(&here.snapshot_at(after(100)), after(100)).unwrap();
    assert_eq!(sent(&running), 0);
}

// ---- the application's own check

/// Refuses sessions whose generation is not that of the user's record (there is one user).
fn with_generation(seen: &Seen) -> (Sessions<Login>, Arc<AtomicU32>) {
    let record = Arc::new(AtomicU32::new(1));
    let known = Arc::clone(&record);
    let sessions = server(|builder| {
        builder
            .observer(seen.observer())
            .refuse_if(move |opened| opened.data.generation != known.load(Ordering::SeqCst))
    });
    (sessions, record)
}

#[test]
fn the_applications_check_refuses_a_session_with_its_own_reason_and_an_event() {
    let seen = Seen::default();
    let (sessions, record) = with_generation(&seen);
    let cookie = sign_in(&sessions, 1, 0);
    let session = load(&sessions, &cookie);
    let id = session.id();
    assert_eq!(session.state(), SessionState::Valid);
    record.store(2, Ordering::SeqCst);
    seen.take();
    assert_rejected(&sessions, &cookie, Reason::Refused);
    let reason = Reason::Refused;
    let key_id = Some(key(1).id());
    assert_eq!(seen.take(), [Event::Rejected { reason, id, key_id }]);
    assert_eq!(load(&sessions, &sign_in(&sessions, 2, 0)).state(), SessionState::Valid);
}

#[test]
fn the_applications_check_sees_data_start_and_id() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let sessions = server(|builder| {
        builder.refuse_if(move |opened| {
            let told = &mut told.lock().unwrap();
            told.push((opened.data.user, opened.id, opened.started));
            false
        })
    });
    let cookie = sign_in(&sessions, 0, 30);
    assert!(seen.lock().unwrap().is_empty(), "a new session is not asked for");
    let mut session = load(&sessions, &cookie);
    let id = session.id().unwrap();
    let _ = session.update(|login| login.user = 8).unwrap();
    session.cycle_id().unwrap();
    assert_eq!(sent(&session), 2);
    assert_eq!(
        *seen.lock().unwrap(),
        [(7, id, after(30)), (8, id, after(30))],
        "at the end: what would be written, under the id that came"
    );
    _ = load(&sessions, "theme=dark").get();
    _ = load(&sessions, "__Host-id=AZ5I").get();
    assert_eq!(seen.lock().unwrap().len(), 2, "only what opened is asked for");
}

#[test]
fn a_refused_session_gives_way_to_another_one_of_the_same_request() {
    let seen = Seen::default();
    let (sessions, _) = with_generation(&seen);
    let newer = sign_in(&sessions, 2, 50);
    let older = sign_in(&sessions, 1, 10);
    let session = load(&sessions, &format!("{newer}; {older}"));
    assert_eq!(session.get().map(|login| login.generation), Some(1));
}

#[test]
fn signing_out_everywhere_else_keeps_the_session_that_did_it() {
    let seen = Seen::default();
    let (sessions, record) = with_generation(&seen);
    let (own, other) = (sign_in(&sessions, 1, 0), sign_in(&sessions, 1, 0));
    let mut changes_password = load(&sessions, &own);
    let mut running = load(&sessions, &other);
    let _ = running.update(|login| login.user = 9).unwrap();
    let id = running.id().unwrap();
    assert_eq!(changes_password.get().map(|login| login.user), Some(7));

    record.store(2, Ordering::SeqCst);
    let _ = changes_password.update(|login| login.generation = 2).unwrap();
    assert_eq!(sent(&changes_password), 1);
    seen.take();
    assert_eq!(sent(&running), 0);
    assert_eq!(seen.take(), [Event::EndedMeanwhile { id }]);
    assert_rejected(&sessions, &other, Reason::Refused);
}

#[test]
fn a_time_in_the_record_works_in_whole_seconds() {
    let valid_from = after(50);
    let sessions = server(|builder| builder.refuse_if(move |opened| opened.started < valid_from));
    assert_rejected(&sessions, &sign_in(&sessions, 0, 49), Reason::Refused);
    let cookie = sign_in(&sessions, 0, 50);
    assert_eq!(load(&sessions, &cookie).state(), SessionState::Valid);
    assert_eq!(valid_from.unix_timestamp(), i64::try_from(START + 50).unwrap());
}
