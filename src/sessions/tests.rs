//! Sessions when the random source fails, when time passes within a request, and when several threads have handles to
//! one session.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::*;
use crate::keys::key::Key;
use crate::session::lifetime::Lifetime;
use crate::session::{SessionState, Updated};
use crate::token::base64url;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Count {
    number: u32,
    /// Always twice the number: a value torn between two writes would show.
    twice: u32,
}

impl Count {
    fn of(number: u32) -> Self {
        Self {
            number,
            twice: number * 2,
        }
    }
}

const START: u64 = 1_800_000_000;

/// A clock that tests move.
type Clock = Arc<AtomicU64>;
type Seen = Arc<Mutex<Vec<Event>>>;

fn ring() -> Arc<KeyRing> {
    Arc::new(KeyRing::new(Key::generate().unwrap()))
}

fn app(ring: &Arc<KeyRing>) -> (Sessions<Count>, Clock, Seen) {
    let (clock, seen) = (Clock::new(AtomicU64::new(START)), Seen::default());
    let (moved, events) = (Arc::clone(&clock), Arc::clone(&seen));
    let sessions = Sessions::builder(Arc::clone(ring))
        .remembered(Lifetime::absolute(Duration::from_secs(90 * 86_400)).idle(Duration::from_secs(14 * 86_400)))
        .clock(move || from_seconds(moved.load(Ordering::SeqCst)))
        .observer(move |event: &Event| events.lock().unwrap().push(event.clone()))
        .build()
        .unwrap();
    // The ring in use.
    seen.lock().unwrap().clear();
    (sessions, clock, seen)
}

fn fields(cookies: &str) -> RequestFields {
    RequestFields::from_cookies([cookies.to_owned()])
}

/// Sessions with a broken random source, and the cookies of a session that started before.
fn broken(random: fn(&mut [u8]) -> Result<(), NoRandomness>) -> (Sessions<Count>, String, Seen) {
    let ring = ring();
    let (whole, ..) = app(&ring);
    let cookies = whole.cookie_for_at(Count::of(7), from_seconds(START)).unwrap();
    let (sessions, _, seen) = app(&ring);
    (sessions.with_random(random), cookies, seen)
}

/// Fails after it wrote something that must not be used.
fn fails(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    bytes.fill(0xaa);
    Err(NoRandomness)
}

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn counts(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    CALLS.set(CALLS.get() + 1);
    crate::aead::os_random(bytes)
}

const BEFORE: [(&str, &str); 3] = [
    ("Cache-Control", "public, max-age=60"),
    ("Set-Cookie", "theme=dark"),
    ("X-Accel-Expires", "60"),
];

fn before() -> Vec<(String, String)> {
    BEFORE
        .iter()
        .map(|&(name, value)| (name.into(), value.into()))
        .collect()
}

#[track_caller]
fn assert_lines(mut lines: Vec<(String, String)>, expected: &[(&str, &str)]) {
    lines.sort();
    let lines: Vec<_> = lines
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(lines, expected);
}

const PRIVATE: [(&str, &str); 3] = [
    ("Cache-Control", "private, max-age=60"),
    ("Set-Cookie", "theme=dark"),
    ("Vary", "Cookie"),
];

// ---- the random source

#[test]
fn without_randomness_no_session_starts_and_the_old_one_stays() {
    let (sessions, cookies, seen) = broken(fails);
    let mut session = sessions.load(fields(&cookies));
    let id = session.id();
    assert_eq!(session.start(Count::of(8)), Err(WriteError::RandomSource));
    assert_eq!(session.cycle_id(), Err(WriteError::RandomSource));
    assert_eq!((session.get(), session.id()), (Some(&Count::of(7)), id));
    let mut headers = before();
    session.finish(200, &mut headers);
    assert_lines(headers, &PRIVATE);
    assert_eq!(*seen.lock().unwrap(), [Event::PublicRemoved]);

    let mut session = sessions.load(RequestFields::default());
    assert_eq!(session.start(Count::of(8)), Err(WriteError::RandomSource));
    assert_eq!(session.state(), SessionState::Absent);
    assert_eq!(session.finish_patch(200).set_cookies().count(), 0);
    assert_eq!(
        sessions.cookie_for_at(Count::of(8), from_seconds(START)),
        Err(WriteError::RandomSource)
    );
}

#[test]
fn a_write_that_lacks_randomness_fails_at_once_and_nothing_is_sent() {
    let (sessions, cookies, seen) = broken(fails);
    type Write = fn(&mut Session<Count>) -> Result<(), WriteError>;
    let writes: [Write; 5] = [
        |session| session.update(|count| *count = Count::of(8)).map(|_| ()),
        |session| session.update_or_start(|| Count::of(1), |count| *count = Count::of(8)),
        |session| session.start_with(|_| Count::of(8)),
        |session| session.remember(true),
        |session| session.cycle_id(),
    ];
    for write in writes {
        let mut session = sessions.load(fields(&cookies));
        assert_eq!(write(&mut session), Err(WriteError::RandomSource));
        assert_eq!(session.get(), Some(&Count::of(7)), "the session is as it was");
        let mut headers = before();
        session.finish(200, &mut headers);
        assert_lines(headers, &PRIVATE);
        assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), [Event::PublicRemoved]);
    }
    // Data that serialise to the same bytes are no write.
    let mut session = sessions.load(fields(&cookies));
    assert_eq!(session.update(|count| *count = Count::of(7)), Ok(Updated::Done(())));
}

#[test]
fn one_call_of_the_random_source_gives_id_and_salt_and_no_salt_comes_twice() {
    let (sessions, ..) = app(&ring());
    let sessions = sessions.with_random(counts);
    let mut tokens = HashSet::new();
    let mut cookies = String::new();
    let mut calls = |act: fn(&mut Session<Count>)| {
        let mut session = sessions.load(fields(&cookies));
        act(&mut session);
        let patch = session.finish_patch(200);
        let pairs = patch.set_cookies().map(|line| line.split(';').next().unwrap());
        cookies = pairs.collect::<Vec<_>>().join("; ");
        let token = cookies.split(['=', ';']).nth(1).unwrap();
        let bytes = base64url::decode(token.as_bytes()).unwrap();
        assert!(tokens.insert(bytes[17..29].to_vec()), "the same salt");
        CALLS.take()
    };
    assert_eq!(calls(|session| session.start(Count::of(1)).unwrap()), 1);
    assert_eq!(
        calls(|session| {
            session.start(Count::of(2)).unwrap();
            session.cycle_id().unwrap();
        }),
        2
    );
    let update = |session: &mut Session<Count>| {
        let _ = session.update(|count| *count = Count::of(3)).unwrap();
        session.touch().unwrap();
    };
    assert_eq!(calls(update), 1);
    assert_eq!(
        calls(|session| {
            session.cycle_id().unwrap();
        }),
        1
    );
}

#[test]
fn what_needs_no_randomness_works_without_it() {
    let (sessions, cookies, _) = broken(fails);
    let mut session = sessions.load(fields(&cookies));
    session.touch().unwrap();
    let patch = session.finish_patch(200);
    let names: Vec<_> = patch
        .set_cookies()
        .map(|line| line.split_once('=').unwrap().0)
        .collect();
    assert_eq!(names, ["__Host-id-seen"]);
    let mut session = sessions.load(fields(&cookies));
    session.end().unwrap();
    let patch = session.finish_patch(200);
    assert_eq!(patch.set_cookies().filter(|line| line.contains("Max-Age=0")).count(), 2);
}

// ---- time

#[track_caller]
fn assert_ends_meanwhile(act: impl FnOnce(&mut Session<Count>), is_told: bool, status: u16) {
    let (sessions, clock, seen) = app(&ring());
    let cookies = sessions.cookie_for_at(Count::of(7), from_seconds(START)).unwrap();
    let mut session = sessions.load(fields(&cookies));
    // The session that ended, whatever id the request gave it.
    let id = session.id().unwrap();
    act(&mut session);
    seen.lock().unwrap().clear();
    clock.store(START + 43_200, Ordering::SeqCst);
    let mut headers = before();
    session.finish(status, &mut headers);
    assert_lines(headers, &PRIVATE);
    let events = std::mem::take(&mut *seen.lock().unwrap());
    let told: &[Event] = if is_told { &[Event::EndedMeanwhile { id }] } else { &[] };
    assert_eq!(events, [told, &[Event::PublicRemoved]].concat());
}

#[test]
fn a_session_that_ends_while_its_request_is_served_is_not_sent() {
    assert_ends_meanwhile(
        |session| _ = session.update(|count| count.number = 8).unwrap(),
        true,
        200,
    );
    assert_ends_meanwhile(|session| session.cycle_id().unwrap(), true, 200);
    assert_ends_meanwhile(|session| session.start(Count::of(9)).unwrap(), true, 200);
    assert_ends_meanwhile(|session| _ = session.get(), false, 200);
    assert_ends_meanwhile(|session| session.touch().unwrap(), false, 200);
    assert_ends_meanwhile(|session| _ = session.get(), false, 500);
}

#[test]
fn one_second_before_its_end_a_session_is_still_sent() {
    let (sessions, clock, _) = app(&ring());
    let cookies = sessions.cookie_for_at(Count::of(7), from_seconds(START)).unwrap();
    let mut session = sessions.load(fields(&cookies));
    let _ = session.update(|count| *count = Count::of(8)).unwrap();
    clock.store(START + 43_199, Ordering::SeqCst);
    let patch = session.finish_patch(200);
    // The activity cookie was due as well, and lives exactly as long.
    assert_eq!(patch.set_cookies().count(), 2);
}

#[test]
fn a_sign_out_is_sent_even_when_the_session_ended_meanwhile() {
    let (sessions, clock, _) = app(&ring());
    let cookies = sessions.cookie_for_at(Count::of(7), from_seconds(START)).unwrap();
    let mut session = sessions.load(fields(&cookies));
    session.end().unwrap();
    clock.store(START + 50_000, Ordering::SeqCst);
    assert_eq!(session.finish_patch(200).set_cookies().count(), 2);
}

#[test]
fn a_clock_that_cannot_be_written_is_an_error_and_no_cookie() {
    let (sessions, clock, _) = app(&ring());
    let cookies = sessions
        .cookie_for_at(Count::of(7), from_seconds(u64::from(u32::MAX) - 50_000))
        .unwrap();
    clock.store(u64::from(u32::MAX) - 50_000, Ordering::SeqCst);
    let mut session = sessions.load(fields(&cookies));
    assert_eq!(session.get(), Some(&Count::of(7)));
    clock.store(u64::from(u32::MAX), Ordering::SeqCst);
    assert_eq!(session.start(Count::of(8)), Err(WriteError::Expiry));
    assert_eq!(session.finish_patch(200).set_cookies().count(), 0);
}

#[test]
fn a_clock_that_leaves_the_range_after_the_write_sends_nothing_and_is_told() {
    let far = [u64::from(u32::MAX), u64::from(u32::MAX) + 1, 250_000_000_000];
    let writes: [fn(&mut Session<Count>); 3] = [
        |session| _ = session.update(|count| *count = Count::of(8)).unwrap(),
        |session| session.cycle_id().unwrap(),
        |session| session.start(Count::of(9)).unwrap(),
    ];
    for (end, write) in far.into_iter().flat_map(|end| writes.map(|write| (end, write))) {
        let (sessions, clock, seen) = app(&ring());
        // Its end is the last second that a token can say.
        let start = u64::from(u32::MAX) - 43_200;
        clock.store(start, Ordering::SeqCst);
        let cookies = sessions.cookie_for(Count::of(7)).unwrap();
        let mut session = sessions.load(fields(&cookies));
        let id = session.id().unwrap();
        write(&mut session);
        seen.lock().unwrap().clear();
        clock.store(end, Ordering::SeqCst);
        let mut headers = before();
        session.finish(200, &mut headers);
        assert_lines(headers, &PRIVATE);
        let told = [Event::EndedMeanwhile { id }, Event::PublicRemoved];
        assert_eq!(*seen.lock().unwrap(), told);
    }
}

// ---- several handles

#[test]
fn another_handles_write_inside_update_is_a_conflict() {
    let (sessions, ..) = app(&ring());
    let cookies = sessions.cookie_for_at(Count::of(7), from_seconds(START)).unwrap();
    type Write = fn(&mut Session<Count>);
    let writes: [(Write, Option<u32>); 6] = [
        (
            |other| _ = other.update(|count| *count = Count::of(1)).unwrap(),
            Some(1),
        ),
        (|other| other.start(Count::of(2)).unwrap(), Some(2)),
        (|other| other.cycle_id().unwrap(), Some(7)),
        (|other| other.remember(true).unwrap(), Some(7)),
        (|other| other.touch().unwrap(), Some(7)),
        (|other| other.end().unwrap(), None),
    ];
    for (write, left) in writes {
        let mut session = sessions.load(fields(&cookies));
        let mut other = session.clone();
        let result = session.update(|count| {
            write(&mut other);
            *count = Count::of(99);
        });
        assert_eq!(result, Err(WriteError::Conflict));
        assert_eq!(session.get().map(|count| count.number), left);
        assert_eq!(other.get().map(|count| count.number), left, "both handles see the same");
    }
}

#[test]
fn a_finish_inside_update_makes_the_write_too_late() {
    let (sessions, ..) = app(&ring());
    let cookies = sessions.cookie_for_at(Count::of(7), from_seconds(START)).unwrap();
    let mut session = sessions.load(fields(&cookies));
    let other = session.clone();
    let result = session.update(|count| {
        assert_eq!(other.finish_patch(200).set_cookies().count(), 0);
        *count = Count::of(99);
    });
    assert_eq!(result, Err(WriteError::TooLate));
    assert_eq!(session.get(), Some(&Count::of(7)));
}

#[test]
fn many_threads_read_whole_values_while_one_writes() {
    const WRITES: u32 = 300;
    let (sessions, ..) = app(&ring());
    let cookies = sessions.cookie_for_at(Count::of(0), from_seconds(START)).unwrap();
    let session = sessions.load(fields(&cookies));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let first = session.get().unwrap();
                let number = first.number;
                let mut last = number;
                loop {
                    let is_last = is_over.load(Ordering::SeqCst);
                    let count = session.get().unwrap();
                    assert_eq!(count.twice, count.number * 2);
                    assert!(count.number >= last, "a write was forgotten");
                    last = count.number;
                    if is_last {
                        break;
                    }
                }
                assert_eq!(last, WRITES);
                assert_eq!(first, &Count::of(number), "what was lent stays as it was");
            });
        }
        let mut writer = session.clone();
        for number in 1..=WRITES {
            let _ = writer.update(|count| *count = Count::of(number)).unwrap();
        }
        is_over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn of_parallel_updates_every_one_that_succeeds_counts() {
    let (sessions, ..) = app(&ring());
    let cookies = sessions.cookie_for_at(Count::of(0), from_seconds(START)).unwrap();
    let session = sessions.load(fields(&cookies));
    let successes: u32 = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let mut handle = session.clone();
                scope.spawn(move || {
                    let mut successes = 0;
                    for _ in 0..100 {
                        match handle.update(|count| *count = Count::of(count.number + 1)) {
                            Ok(done) => successes += u32::from(done == Updated::Done(())),
                            Err(error) => assert_eq!(error, WriteError::Conflict),
                        }
                    }
                    successes
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(session.get(), Some(&Count::of(successes)));
}

#[test]
fn starts_and_sign_outs_never_conflict() {
    let (sessions, ..) = app(&ring());
    let session = sessions.load(RequestFields::default());
    thread::scope(|scope| {
        for number in 0..8 {
            let mut handle = session.clone();
            scope.spawn(move || {
                for _ in 0..100 {
                    handle.start(Count::of(number)).unwrap();
                    handle.end().unwrap();
                }
            });
        }
    });
    assert_eq!(session.state(), SessionState::Ended);
}

/// Each write walks the whole chain, so that a hundred thousand would take minutes; ten thousand on a small stack show
/// the same.
#[test]
fn ten_thousand_updates_in_one_request_do_not_overflow_a_small_stack() {
    let (sessions, ..) = app(&ring());
    let cookies = sessions.cookie_for_at(Count::of(0), from_seconds(START)).unwrap();
    let work = move || {
        let mut session = sessions.load(fields(&cookies));
        for number in 1..=10_000 {
            let _ = session.update(|count| *count = Count::of(number)).unwrap();
        }
        assert_eq!(session.get(), Some(&Count::of(10_000)));
        assert_eq!(session.finish_patch(200).set_cookies().count(), 1);
        drop(session);
    };
    let thread = thread::Builder::new().stack_size(256 * 1024);
    thread.spawn(work).unwrap().join().unwrap();
}

/// Both at once, many times: the result of one must agree with what the other did.
fn race<A: Send, B: Send>(
    sessions: &Sessions<Count>,
    cookies: &str,
    one: impl Fn(&mut Session<Count>) -> A + Sync,
    other: impl Fn(&Session<Count>) -> B + Sync,
    agree: impl Fn(A, B),
) {
    for _ in 0..400 {
        let session = sessions.load(fields(cookies));
        let barrier = Barrier::new(2);
        let (a, b) = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let mut handle = session.clone();
                barrier.wait();
                one(&mut handle)
            });
            barrier.wait();
            let b = other(&session);
            (thread.join().unwrap(), b)
        });
        agree(a, b);
    }
}

/// Header lines and number of cookies of a finished session.
fn finished(session: &Session<Count>) -> (Vec<(String, String)>, usize) {
    let patch = session.finish_patch(200);
    let mut headers = before();
    patch.apply(&mut headers);
    (headers, patch.set_cookies().count())
}

#[test]
fn a_read_that_races_with_the_finish_is_in_the_patch_or_gives_nothing() {
    let (sessions, ..) = app(&ring());
    let cookies = sessions.cookie_for_at(Count::of(7), from_seconds(START)).unwrap();
    let read = |session: &mut Session<Count>| session.get().is_some();
    race(&sessions, &cookies, read, finished, |was_read, (headers, _)| {
        assert_lines(headers, if was_read { &PRIVATE } else { &BEFORE });
    });
}

#[test]
fn a_write_that_races_with_the_finish_is_sent_or_an_error() {
    let (sessions, ..) = app(&ring());
    let cookies = sessions.cookie_for_at(Count::of(7), from_seconds(START)).unwrap();
    let write = |session: &mut Session<Count>| session.update(|count| *count = Count::of(8));
    race(
        &sessions,
        &cookies,
        write,
        finished,
        |written, (_, sent)| match written {
            Ok(written) => assert_eq!((written, sent), (Updated::Done(()), 1)),
            Err(error) => assert_eq!((error, sent), (WriteError::TooLate, 0)),
        },
    );
    let clear = |session: &mut Session<Count>| session.end();
    race(
        &sessions,
        &cookies,
        clear,
        finished,
        |cleared, (_, sent)| match cleared {
            Ok(()) => assert_eq!(sent, 2),
            Err(error) => assert_eq!((error, sent), (WriteError::TooLate, 0)),
        },
    );
}

#[test]
fn of_two_finishes_one_is_ignored_and_told() {
    let (sessions, _, seen) = app(&ring());
    let cookies = sessions.cookie_for_at(Count::of(7), from_seconds(START)).unwrap();
    race(
        &sessions,
        &cookies,
        |session| _ = session.finish_patch(200),
        |session| _ = session.finish_patch(200),
        |(), ()| {
            let events = std::mem::take(&mut *seen.lock().unwrap());
            assert_eq!(events.iter().filter(|event| **event == Event::FinishIgnored).count(), 1);
        },
    );
}

#[test]
fn a_revocation_outlasts_a_session_that_started_ahead() {
    use crate::revocation::{Revocation, RevocationList};
    struct Kept(Arc<AtomicU64>);
    impl RevocationList for Kept {
        fn is_revoked(&self, _: SessionId) -> bool {
            false
        }
        fn revoke_at(&self, revoked: Revocation, _: OffsetDateTime) {
            self.0.store(to_seconds(revoked.until), Ordering::SeqCst);
        }
    }
    let until = Arc::new(AtomicU64::new(0));
    let ring = ring();
    let sessions = Sessions::<Count>::builder(Arc::clone(&ring))
        .clock(|| from_seconds(START))
        .revocation_list(Kept(Arc::clone(&until)))
        .build()
        .unwrap();
    // Started on a server 5 minutes ahead: the session opens here now.
    let cookie = sessions.cookie_for_at(Count::of(7), from_seconds(START + 300)).unwrap();
    let session = sessions.load(fields(&cookie));
    let id = session.id().unwrap();
    sessions.revoke(id);
    let started = START + 300;
    assert!(
        until.load(Ordering::SeqCst) >= started + 12 * 3600 + 300,
        "SPEC: started + longest + 5 minutes"
    );
}

/// Its frame tells no end that this version can read, and its expiry may be beyond all that this server seals.
#[test]
fn an_unreadable_session_is_revoked_beyond_its_expiry_and_any_of_ours() {
    let (sessions, ..) = app(&ring());
    const DAY: u64 = 86_400;
    let end = |expires: u64| sessions.end_of(expires as u32, None, START) - START;
    assert_eq!(end(START + 200 * DAY), 200 * DAY + 300);
    assert_eq!(end(START + DAY), 300 + 90 * DAY + 300, "of a remembered session");
}

/// docs/operating.md and `Builder::opened_cache` say so.
#[test]
fn opened_sessions_are_kept_in_two_mebibytes() {
    let sessions = Sessions::<Count>::builder(ring()).build().unwrap();
    assert_eq!(sessions.config().opened_cache, 2 << 20);
}
