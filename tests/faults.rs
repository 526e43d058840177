//! What faults around the crate may and must not do: a random source that fails, a clock that jumps, a panic in the
//! application's own code, a serialiser that fails halfway, a ring that is replaced in the middle of a request.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use sealed_session::edge::Claims;
use sealed_session::revocation::{Revocation, RevocationList, Revocations};
use sealed_session::{
    Builder, Event, KeyRing, Lifetime, Reason, RequestFields, Session, SessionId, SessionState, Sessions, WriteError,
};
use serde::de::DeserializeOwned;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;

use testkit::{DAY, START, Seen, after, answered, at, key, ring};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Login {
    user: u32,
}

const SEVEN: Login = Login { user: 7 };

type Write = fn(&mut Session<Login>);

/// Every write that makes a response carry a cookie, except a sign-in and a sign-out.
const CARRIED_ON: [Write; 4] = [
    |session| _ = session.update(|login| login.user = 8).unwrap(),
    |session| session.cycle_id().unwrap(),
    |session| session.remember(true).unwrap(),
    |session| session.touch().unwrap(),
];

fn builder() -> Builder<Login> {
    Sessions::builder(ring())
        .remembered(Lifetime::absolute(Duration::from_secs(90 * DAY)).idle(Duration::from_secs(14 * DAY)))
}

/// Sessions with a clock that the test moves.
fn clocked() -> (Sessions<Login>, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(START));
    let read = Arc::clone(&clock);
    let sessions = builder().clock(move || at(read.load(Ordering::SeqCst)));
    (sessions.build().unwrap(), clock)
}

fn load<T: Serialize + DeserializeOwned + Send + Sync + 'static>(sessions: &Sessions<T>, cookies: &str) -> Session<T> {
    sessions.load(RequestFields::from_cookies([cookies.to_owned()]))
}

fn load_after(sessions: &Sessions<Login>, cookies: &str, seconds: u64) -> Session<Login> {
    sessions.load_at(RequestFields::from_cookies([cookies.to_owned()]), after(seconds))
}

#[cfg(feature = "device")]
fn binding_sessions() -> Sessions<Login> {
    let binding = sealed_session::device::DeviceBinding::at("/device");
    builder().device_binding(binding).clock(|| after(1)).build().unwrap()
}

/// The cookies of a session, and the device key that its browser has registered.
#[cfg(feature = "device")]
fn registered() -> (String, String) {
    use testkit::device::{offer, registration, signing_key};
    let sessions = binding_sessions();
    let mut session = sessions.load(RequestFields::default());
    session.start(SEVEN).unwrap();
    let patch = session.finish_patch(200);
    let mut headers = Vec::new();
    patch.apply(&mut headers);
    let offered = headers.iter().find(|(name, _)| name == "Secure-Session-Registration");
    let (_, challenge) = offer(&offered.unwrap().1);
    let cookies = answered("", &patch);
    let fields = RequestFields::from_cookies([cookies.clone()]);
    let answer = sessions.register_device(&fields, Some(&registration(&signing_key([1, 1]), &challenge)));
    let told: serde_json::Value = serde_json::from_str(answer.body()).unwrap();
    (cookies, told["session_identifier"].as_str().unwrap().to_owned())
}

// ---- the random source

/// The child of the test below: it runs with a system library whose `getrandom` fails.
#[test]
#[ignore = "run by `when_the_system_has_no_randomness_nothing_is_made`"]
fn without_randomness() {
    use sealed_session::keys::KeyError;
    use sealed_session::sealer::SealError;
    use sealed_session::{Key, Sealer};
    let cookies = std::env::var("FAULTS_COOKIES").unwrap();
    let refused = Key::generate().unwrap_err();
    assert!(matches!(refused, KeyError::RandomSource), "the library is not ours");
    let seen = Seen::default();
    let sessions = builder().observer(seen.observer()).clock(|| after(1)).build().unwrap();
    let mut guest = sessions.load(RequestFields::default());
    assert_eq!(guest.start(SEVEN), Err(WriteError::RandomSource));
    assert_eq!(guest.state(), SessionState::Absent);
    assert_eq!(guest.finish_patch(200).set_cookies().count(), 0);
    let mut session = load(&sessions, &cookies);
    assert_eq!(session.start(SEVEN), Err(WriteError::RandomSource));
    assert_eq!(session.cycle_id(), Err(WriteError::RandomSource));
    let refused = session.update(|login| login.user = 8);
    assert_eq!(refused, Err(WriteError::RandomSource));
    assert_eq!(session.get(), Some(&SEVEN), "it is as it was");
    assert_eq!(session.finish_patch(200).set_cookies().count(), 0);
    assert_eq!(seen.take(), []);
    let links = Sealer::new(ring(), "link").unwrap();
    assert_eq!(links.seal(b"x", Duration::from_secs(60)), Err(SealError::RandomSource));
    // Reads, renewals and sign-outs need no randomness and go on.
    let mut session = load(&sessions, &cookies);
    assert_eq!(session.get(), Some(&SEVEN));
    session.touch().unwrap();
    assert_eq!(session.finish_patch(200).set_cookies().count(), 1);
    let mut session = load(&sessions, &cookies);
    session.end().unwrap();
    assert_eq!(session.finish_patch(200).set_cookies().count(), 2);
    #[cfg(feature = "device")]
    {
        // A challenge needs it: the browser tries again later, and its binding goes on.
        let device_key = std::env::var("FAULTS_DEVICE_KEY").unwrap();
        let fields = RequestFields::from_cookies([cookies]);
        let answer = binding_sessions().refresh_device(&fields, Some(&device_key), None);
        assert_eq!((answer.status(), answer.headers().count()), (503, 1));
    }
    println!("survived without randomness");
}

/// A library that is loaded before the C library. It refuses every random byte, from the system call and from devices.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const NO_RANDOMNESS: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/types.h>
/* 4 is GRND_INSECURE: the standard library asks for the seed of its hash maps that way, and may have it. */
ssize_t getrandom(void *bytes, size_t length, unsigned flags) {
    if (flags == 4) { memset(bytes, 7, length); return (ssize_t)length; }
    errno = FAULT;
    return -1;
}
static int opened(const char *symbol, const char *path, int flags, int mode) {
    if (strcmp(path, "/dev/urandom") == 0 || strcmp(path, "/dev/random") == 0) { errno = ENOENT; return -1; }
    int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, symbol);
    return next(path, flags, mode);
}
#define OPEN(name) int name(const char *path, int flags, ...) { \
    va_list more; va_start(more, flags); int mode = va_arg(more, int); va_end(more); \
    return opened(#name, path, flags, mode); }
OPEN(open)
OPEN(open64)
"#;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn when_the_system_has_no_randomness_nothing_is_made() {
    use std::fs;
    use std::process::Command;
    #[cfg(not(feature = "device"))]
    let cookies = builder().build().unwrap().cookie_for_at(SEVEN, after(0)).unwrap();
    #[cfg(feature = "device")]
    let (cookies, device_key) = registered();
    let folder = std::env::temp_dir().join(format!("sealed-session-faults-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (source, library) = (folder.join("fault.c"), folder.join("fault.so"));
    fs::write(&source, NO_RANDOMNESS).unwrap();
    // One error that is reported as it is, and the one after which the devices are asked.
    for fault in ["EIO", "ENOSYS"] {
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", &format!("-DFAULT={fault}"), "-o"]);
        let compiled = compiler.arg(&library).arg(&source).arg("-ldl").status().unwrap();
        assert!(compiled.success(), "the C compiler that links Rust programs failed");
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--ignored", "--exact", "without_randomness", "--nocapture"]);
        child.env("LD_PRELOAD", &library).env("FAULTS_COOKIES", &cookies);
        #[cfg(feature = "device")]
        child.env("FAULTS_DEVICE_KEY", &device_key);
        let output = child.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && text.contains("survived without randomness"),
            "{fault}: {text}"
        );
    }
    fs::remove_dir_all(&folder).unwrap();
}

// ---- the clock

const YEAR: i64 = 365 * 86_400;
const STEPS: [i64; 16] = [
    -YEAR, -86_400, -43_200, -1801, -301, -300, -1, 1, 300, 301, 1801, 3600, 39_300, 43_199, 43_200, YEAR,
];

fn moved(seconds: i64) -> u64 {
    START.checked_add_signed(3600 + seconds).unwrap()
}

/// The cookies of a session that started an hour ago and was used just now.
fn used_after_an_hour(sessions: &Sessions<Login>) -> String {
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    let mut session = load_after(sessions, &cookies, 1700);
    session.touch().unwrap();
    let cookies = answered(&cookies, &session.finish_patch(200));
    let session = load_after(sessions, &cookies, 3400);
    assert_eq!(session.get(), Some(&SEVEN));
    answered(&cookies, &session.finish_patch(200))
}

#[test]
fn a_clock_that_jumps_between_requests_removes_no_cookie_and_all_visitors_are_back_when_it_is_right_again() {
    let (sessions, clock) = clocked();
    let cookies = used_after_an_hour(&sessions);
    for step in STEPS {
        clock.store(moved(step), Ordering::SeqCst);
        let session = load(&sessions, &cookies);
        let state = session.state();
        let patch = session.finish_patch(200);
        assert!(
            patch.set_cookies().all(|line| !line.contains("Max-Age=0")),
            "a clock that is {step} s off signs out"
        );
        let after_it = answered(&cookies, &patch);
        clock.store(moved(0), Ordering::SeqCst);
        assert_eq!(load(&sessions, &cookies).get(), Some(&SEVEN), "{step}");
        if state != SessionState::Valid {
            assert_eq!(after_it, cookies, "{step}: what does not open is left alone");
        }
        let expected = match step {
            // The session began an hour before the true time.
            ..-3900 => SessionState::Rejected(Reason::StartedInFuture),
            // Its activity ends too late to be genuine.
            -3900..-500 => SessionState::Rejected(Reason::Idle),
            -500..1600 => SessionState::Valid,
            1600..39_600 => SessionState::Rejected(Reason::Idle),
            39_600.. => SessionState::Rejected(Reason::Expired),
        };
        assert_eq!(state, expected, "{step}");
    }
}

#[test]
fn a_clock_that_jumps_within_a_request_prolongs_no_session() {
    for step in STEPS {
        for write in CARRIED_ON {
            let (sessions, clock) = clocked();
            let cookies = used_after_an_hour(&sessions);
            clock.store(moved(0), Ordering::SeqCst);
            let mut session = load(&sessions, &cookies);
            assert_eq!(session.get(), Some(&SEVEN));
            clock.store(moved(step), Ordering::SeqCst);
            // The jump may make the write itself an error, and then nothing is sent.
            let written = catch_unwind(AssertUnwindSafe(|| write(&mut session)));
            let patch = session.finish_patch(200);
            if written.is_err() {
                assert_eq!(step, YEAR, "only `remember` at the end of its 90 days may refuse");
            }
            let browser = answered(&cookies, &patch);
            let is_remembered = patch.set_cookies().any(|line| line.contains("Max-Age"));
            let absolute = if is_remembered { 90 * DAY } else { 43_200 };
            for pair in browser.split("; ") {
                let token = pair.split_once('=').unwrap().1;
                let expires = Claims::parse(token).unwrap().expires;
                assert!(
                    u64::from(expires) <= START + absolute,
                    "{step}: {pair} lasts longer than the session"
                );
            }
            for seconds in [0, 1, absolute - 1, absolute, absolute + 1, absolute + 300, 400 * DAY] {
                let session = load_after(&sessions, &browser, seconds);
                if session.get().is_some() {
                    assert!(seconds < absolute, "{step}: alive {seconds} s after its start");
                    assert!(session.started().unwrap() <= after(0), "{step}: made younger");
                }
            }
        }
    }
}

#[test]
fn a_clock_that_steps_back_within_a_request_starts_nothing_in_the_future() {
    for step in STEPS.into_iter().filter(|&step| step < 0) {
        let (sessions, clock) = clocked();
        clock.store(moved(0), Ordering::SeqCst);
        let mut session = sessions.load(RequestFields::default());
        session.start(SEVEN).unwrap();
        clock.store(moved(step), Ordering::SeqCst);
        let cookies = answered("", &session.finish_patch(200));
        let session = load(&sessions, &cookies);
        assert_eq!(
            session.get(),
            Some(&SEVEN),
            "{step}: it opens by the clock that sealed it"
        );
        assert_eq!(session.started(), Some(at(moved(step))));
        assert_eq!(session.expires(), Some(at(moved(step) + 43_200)));
    }
}

// ---- panics in the application's code

/// Calls it on a thread of its own. A call that hangs for a minute waits for a lock.
fn returns<R: Send + 'static>(call: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, result) = mpsc::channel();
    thread::spawn(move || sender.send(call()));
    result
        .recv_timeout(Duration::from_secs(60))
        .expect("no deadlock and no panic")
}

/// Panics with every event once it is armed.
fn armed() -> (Sessions<Login>, Arc<AtomicBool>) {
    let trap = Arc::new(AtomicBool::new(false));
    let observer = Arc::clone(&trap);
    let sessions = builder().clock(|| after(600)).observer(move |_: &Event| {
        if observer.load(Ordering::SeqCst) {
            resume_unwind(Box::new("no observer"));
        }
    });
    (sessions.build().unwrap(), trap)
}

#[track_caller]
fn assert_panics<R>(call: impl FnOnce() -> R) {
    assert!(
        catch_unwind(AssertUnwindSafe(call)).is_err(),
        "the observer was not told"
    );
}

#[test]
fn what_an_observer_panics_over_is_done_all_the_same() {
    let (sessions, trap) = armed();
    let session_of = |user| sessions.cookie_for_at(Login { user }, after(0)).unwrap();
    let (one, two, three) = (session_of(1), session_of(2), session_of(3));
    let id = load(&sessions, &one).id().unwrap();
    trap.store(true, Ordering::SeqCst);

    assert_panics(|| sessions.revoke(id));
    let mut signing_out = load(&sessions, &two);
    assert_panics(|| signing_out.end());
    trap.store(false, Ordering::SeqCst);
    for cookies in [&one, &two] {
        assert_eq!(
            load(&sessions, cookies).state(),
            SessionState::Rejected(Reason::Revoked)
        );
    }
    assert_eq!(signing_out.state(), SessionState::Ended);
    assert_eq!(signing_out.finish_patch(200).set_cookies().count(), 2);

    trap.store(true, Ordering::SeqCst);
    assert_panics(|| sessions.replace_keys(KeyRing::new(key(2)).also_opening(key(1)).unwrap()));
    assert_panics(|| sessions.raise_cut_off(after(1)));
    trap.store(false, Ordering::SeqCst);
    assert_eq!(
        load(&sessions, &three).state(),
        SessionState::Rejected(Reason::Revoked),
        "the cut-off"
    );
    let new = sessions.cookie_for_at(SEVEN, after(600)).unwrap();
    assert_eq!(sealing_keys(new.split("; ")), [key(2).id(); 2]);
    assert_eq!(load(&sessions, &new).get(), Some(&SEVEN));
}

#[test]
fn an_observer_that_panics_over_one_request_harms_no_other() {
    let (sessions, trap) = armed();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    let writes = CARRIED_ON.iter().copied();
    for write in writes.chain([(|session| session.start(SEVEN).unwrap()) as Write]) {
        let mut session = load(&sessions, &cookies);
        write(&mut session);
        trap.store(true, Ordering::SeqCst);
        assert_panics(|| drop(session.finish_patch(200)));
        trap.store(false, Ordering::SeqCst);
        // The write can no longer be sent, and caches are told to keep nothing.
        let mut headers = vec![("Cache-Control".to_owned(), "public".to_owned())];
        session.finish(200, &mut headers);
        assert!(headers.iter().all(|(name, _)| name != "Set-Cookie"), "{headers:?}");
        assert!(
            headers.contains(&("Cache-Control".to_owned(), "private".to_owned())),
            "{headers:?}"
        );
        assert_eq!(load(&sessions, &cookies).get(), Some(&SEVEN));
    }
    // A write that is too large is refused, and the session is as it was.
    let sessions = Sessions::<String>::builder(ring());
    let sessions = sessions
        .observer(|event: &Event| match event {
            Event::KeysInUse { .. } => {}
            _ => resume_unwind(Box::new("no observer")),
        })
        .build()
        .unwrap();
    let mut session = sessions.load(RequestFields::default());
    assert_panics(|| session.start("x".repeat(5000)));
    assert_eq!(session.state(), SessionState::Absent);
    // A cookie that is no session: the panic concerns that request alone.
    let garbage = load(&sessions, "__Host-id=garbage");
    assert_panics(|| garbage.state());
    assert_eq!(
        garbage.state(),
        SessionState::Rejected(Reason::Malformed),
        "told once, and known"
    );
    assert_eq!(garbage.finish_patch(200).set_cookies().count(), 0);
    assert_eq!(sessions.load(RequestFields::default()).state(), SessionState::Absent);
}

/// Sessions whose observer does everything to them that can be done.
static SESSIONS: Mutex<Option<Sessions<Login>>> = Mutex::new(None);

#[test]
fn no_lock_is_held_while_the_application_is_called() {
    static DEPTH: AtomicU64 = AtomicU64::new(0);
    let meddle = |_: &Event| {
        if DEPTH.fetch_add(1, Ordering::SeqCst) == 0 {
            let shared = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner).clone();
            // From another thread: a lock that is held then blocks, and is not taken twice.
            returns(move || {
                let Some(sessions) = shared else {
                    return; // They are being built.
                };
                sessions.replace_keys(KeyRing::new(key(2)).also_opening(key(1)).unwrap());
                sessions.revoke(SessionId::from_bytes([9; 8]));
                sessions.raise_cut_off(after(0));
                let cookies = sessions.cookie_for_at(SEVEN, after(1)).unwrap();
                assert_eq!(load_after(&sessions, &cookies, 2).get(), Some(&SEVEN));
            });
        }
        DEPTH.fetch_sub(1, Ordering::SeqCst);
    };
    let sessions = builder().observer(meddle).clock(|| after(2)).build().unwrap();
    *SESSIONS.lock().unwrap() = Some(sessions.clone());
    returns(move || {
        sessions.revoke(SessionId::from_bytes([1; 8]));
        sessions.replace_keys(ring());
        sessions.raise_cut_off(after(1));
        let cookies = sessions.cookie_for_at(SEVEN, after(1)).unwrap();
        let mut session = load(&sessions, &format!("{cookies}; __Host-id=garbage"));
        let _ = session.update(|login| login.user = 8).unwrap();
        session.cycle_id().unwrap();
        session.finish(200, &mut vec![("Cache-Control".to_owned(), "public".to_owned())]);
        assert_eq!(
            load(&sessions, "__Host-id=garbage").state(),
            SessionState::Rejected(Reason::Malformed)
        );
        let mut session = load(&sessions, &cookies);
        session.end().unwrap();
        assert_eq!(session.finish_patch(200).set_cookies().count(), 2);
    });
}

/// The session of the visitor, for a log that names the visitor of each event, such as a subscriber with a task-local.
static VISITOR: Mutex<Option<Session<Login>>> = Mutex::new(None);

#[test]
fn an_observer_may_look_at_the_session_that_it_hears_of() {
    let told = Arc::new(AtomicU64::new(0));
    let heard = Arc::clone(&told);
    let log = move |event: &Event| {
        if let Event::KeysInUse { .. } = event {
            return;
        }
        let visitor = VISITOR.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(visitor.unwrap().peek().is_none());
        heard.fetch_add(1, Ordering::SeqCst);
    };
    let sessions = builder().observer(log).build().unwrap();
    let session = load(&sessions, "__Host-id=garbage; __Host-id=garbage");
    *VISITOR.lock().unwrap() = Some(session.clone());
    assert_eq!(
        returns(move || session.state()),
        SessionState::Rejected(Reason::Malformed)
    );
    assert_eq!(told.load(Ordering::SeqCst), 2);
}

/// A callback of the opening that looks at the session being opened and writes to it, with what it finds.
#[derive(Clone, Default)]
struct Looking(Arc<Mutex<Option<Session<Curious>>>>, Arc<Mutex<Vec<SessionState>>>);

impl Looking {
    fn look(&self) {
        let session = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(mut session) = session else {
            return;
        };
        assert!(session.get().is_none() && session.peek().is_none() && session.id().is_none());
        assert_eq!(session.end(), Err(WriteError::NotOpenedYet));
        assert_eq!(session.start(Curious), Err(WriteError::NotOpenedYet));
        let mut headers = Vec::new();
        session.finish(200, &mut headers);
        assert_eq!(headers.len(), 2, "private, and no cookie: {headers:?}");
        self.1
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(session.state());
    }
}

thread_local! {
    static LOOKING: std::cell::RefCell<Looking> = std::cell::RefCell::default();
}

/// Session data whose `Deserialize` looks at the session.
#[derive(Debug, PartialEq, Serialize)]
struct Curious;

impl<'de> Deserialize<'de> for Curious {
    fn deserialize<D: Deserializer<'de>>(data: D) -> Result<Self, D::Error> {
        LOOKING.with_borrow(Clone::clone).look();
        <()>::deserialize(data).map(|()| Self)
    }
}

#[test]
fn a_callback_of_the_opening_that_looks_at_the_session_finds_it_not_opened_yet() {
    struct List(Looking);
    impl RevocationList for List {
        fn is_revoked(&self, _id: SessionId) -> bool {
            self.0.look();
            false
        }
        fn revoke_at(&self, _revoked: Revocation, _now: OffsetDateTime) {}
    }
    let looking = Looking::default();
    let (check, clock) = (looking.clone(), looking.clone());
    let sessions = Sessions::<Curious>::builder(ring())
        .revocation_list(List(looking.clone()))
        .refuse_if(move |_| {
            check.look();
            false
        })
        .clock(move || {
            clock.look();
            after(1)
        })
        .build()
        .unwrap();
    let cookies = sessions.cookie_for_at(Curious, after(0)).unwrap();
    let session = sessions.load(RequestFields::from_cookies([cookies]));
    *looking.0.lock().unwrap() = Some(session.clone());
    let found = Arc::clone(&looking.1);
    let opened = returns(move || {
        LOOKING.set(looking.clone());
        let opened = session.get().is_some();
        looking.0.lock().unwrap().take();
        assert_eq!(session.finish_patch(200).set_cookies().count(), 0);
        opened
    });
    assert!(opened, "it opens all the same");
    // Seen from the clock, the list, the data's type and the application's own check.
    assert_eq!(*found.lock().unwrap(), [SessionState::NotOpenedYet; 4]);
}

/// A list that panics once, when it is armed.
#[derive(Clone, Default)]
struct Panicking(Arc<Revocations>, Arc<AtomicBool>);

impl RevocationList for Panicking {
    fn is_revoked(&self, id: SessionId) -> bool {
        if self.1.swap(false, Ordering::SeqCst) {
            resume_unwind(Box::new("no list"));
        }
        self.0.is_revoked(id)
    }

    fn revoke_at(&self, revoked: Revocation, now: OffsetDateTime) {
        self.0.revoke_at(revoked, now);
        if self.1.swap(false, Ordering::SeqCst) {
            resume_unwind(Box::new("no list"));
        }
    }
}

#[test]
fn a_revocation_list_that_panics_lets_no_session_in_and_stops_no_later_request() {
    let list = Panicking::default();
    let sessions = builder().revocation_list(list.clone()).clock(|| after(1));
    let sessions = sessions.build().unwrap();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    let mut session = load(&sessions, &cookies);
    list.1.store(true, Ordering::SeqCst);
    assert_panics(|| session.get().is_some());
    assert_eq!(session.get(), Some(&SEVEN), "asked again, and answered");
    list.1.store(true, Ordering::SeqCst);
    assert_panics(|| session.end());
    assert_eq!(session.state(), SessionState::Ended);
    assert_eq!(session.finish_patch(200).set_cookies().count(), 2);
    assert_eq!(
        load(&sessions, &cookies).state(),
        SessionState::Rejected(Reason::Revoked)
    );
}

// ---- serialisers

/// Writes its first field, and then does the second.
struct Fragile {
    first: String,
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Ends,
    Fails,
    Panics,
    /// Leaves out a field that reading needs.
    Forgets,
    /// Writes a value that cannot be read.
    Lies,
}

impl Serialize for Fragile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Fragile", 2)?;
        fields.serialize_field("first", &self.first)?;
        match self.then {
            Then::Ends => fields.serialize_field("second", &2)?,
            Then::Fails => return Err(serde::ser::Error::custom(&self.first)),
            Then::Panics => resume_unwind(Box::new("halfway")),
            Then::Forgets => {}
            Then::Lies => fields.serialize_field("second", &f64::NAN)?,
        }
        fields.end()
    }
}

impl<'de> Deserialize<'de> for Fragile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Whole {
            first: String,
            #[serde(rename = "second")]
            _second: u32,
        }
        let Whole { first, .. } = Whole::deserialize(deserializer)?;
        Ok(Self {
            first,
            then: Then::Ends,
        })
    }
}

#[test]
fn a_serialiser_that_fails_halfway_changes_nothing_and_tells_nothing() {
    const SECRET: &str = "Rumpelstilzchen";
    let seen = Seen::default();
    let sessions = Sessions::<Fragile>::builder(ring())
        .clock(|| after(1))
        .observer(seen.observer());
    let sessions = sessions.build().unwrap();
    let fragile = |first: &str, then| Fragile {
        first: first.into(),
        then,
    };
    let cookies = sessions.cookie_for_at(fragile("whole", Then::Ends), after(0)).unwrap();
    seen.take();
    for then in [Then::Fails, Then::Panics, Then::Forgets, Then::Lies] {
        let mut session = load(&sessions, &cookies);
        let id = session.id();
        let mut results = Vec::new();
        results.push(catch_unwind(AssertUnwindSafe(|| session.start(fragile(SECRET, then)))));
        results.push(catch_unwind(AssertUnwindSafe(|| {
            session.update(|data| *data = fragile(SECRET, then)).map(drop)
        })));
        for result in results {
            let expected = match then {
                Then::Fails => Ok(Err(WriteError::NotSerializable)),
                Then::Panics => Err(()),
                _ => Ok(Err(WriteError::NotReadable)),
            };
            assert_eq!(result.map_err(drop), expected, "{then:?}");
        }
        assert_eq!(
            (session.get().map(|data| data.first.as_str()), session.id()),
            (Some("whole"), id)
        );
        let patch = session.finish_patch(200);
        assert_eq!(patch.set_cookies().count(), 0, "{then:?}: half a session was sent");
        // A guest stays a guest.
        let mut guest = sessions.load(RequestFields::default());
        let started = catch_unwind(AssertUnwindSafe(|| guest.start(fragile(SECRET, then))));
        assert!(!matches!(started, Ok(Ok(()))));
        assert_eq!(guest.state(), SessionState::Absent);
        assert_eq!(guest.finish_patch(200).set_cookies().count(), 0);
        assert_eq!(
            load(&sessions, &cookies).get().map(|data| data.first.as_str()),
            Some("whole")
        );
    }
    let events = seen.take();
    assert!(events.is_empty(), "{events:?}");
    // After all of this, the next cookie holds the one write that succeeds.
    let mut session = load(&sessions, &cookies);
    assert!(session.update(|data| *data = fragile(SECRET, Then::Fails)).is_err());
    let _ = session.update(|data| data.first = "new".into()).unwrap();
    let cookies = answered(&cookies, &session.finish_patch(200));
    assert_eq!(
        load(&sessions, &cookies).get().map(|data| data.first.as_str()),
        Some("new")
    );
}

// ---- the ring

/// The keys under which these cookies are sealed.
fn sealing_keys<'a>(pairs: impl IntoIterator<Item = &'a str>) -> Vec<sealed_session::keys::KeyId> {
    let tokens = pairs
        .into_iter()
        .filter_map(|pair| pair.split(';').next()?.split_once('='));
    tokens.map(|(_, token)| Claims::parse(token).unwrap().key_id).collect()
}

#[test]
fn a_ring_that_is_replaced_within_a_request_seals_what_is_sent_and_nothing_else() {
    let (old, new) = (key(1).id(), key(2).id());
    // How many cookies each sends, and whether it ends the session that came.
    let writes: [(Write, usize, bool); 6] = [
        (|session| assert_eq!(session.get(), Some(&SEVEN)), 0, false),
        (CARRIED_ON[0], 1, false),
        (CARRIED_ON[1], 2, false),
        (CARRIED_ON[2], 2, true),
        (CARRIED_ON[3], 1, false),
        (|session| session.start(SEVEN).unwrap(), 2, true),
    ];
    // New rings with the old secret, and without it.
    for keeps_old in [true, false] {
        for (write, sent, ends) in writes {
            let (sessions, _) = clocked();
            let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
            let mut session = load(&sessions, &cookies);
            assert_eq!(session.get(), Some(&SEVEN));
            let ring = KeyRing::new(key(2));
            sessions.replace_keys(if keeps_old {
                ring.also_opening(key(1)).unwrap()
            } else {
                ring
            });
            write(&mut session);
            let patch = session.finish_patch(200);
            assert_eq!(sealing_keys(patch.set_cookies()), vec![new; sent]);
            // The browser's cookies then open, except those under the removed secret.
            let browser = answered(&cookies, &patch);
            let keys = sealing_keys(browser.split("; "));
            let is_whole = keeps_old || !keys.contains(&old);
            assert_eq!(load(&sessions, &browser).get().is_some(), is_whole, "{keys:?}");
            // The first access decides: a request that has not looked yet opens with the new ring.
            assert_eq!(load(&sessions, &cookies).get().is_some(), keeps_old && !ends);
        }
    }
}

#[test]
fn both_cookies_of_a_response_are_under_one_secret_while_the_ring_is_replaced() {
    let rings = || [(1, 2), (2, 1)].map(|(seals, opens)| KeyRing::new(key(seals)).also_opening(key(opens)).unwrap());
    let (sessions, _) = clocked();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    let is_over = AtomicBool::new(false);
    let mut seen = [false; 2];
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                rings().into_iter().for_each(|ring| sessions.replace_keys(ring));
            }
        });
        // Until both secrets have sealed, and often enough.
        let mut rounds = 0;
        while rounds < 2000 || seen != [true; 2] {
            let mut session = load(&sessions, &cookies);
            session.cycle_id().unwrap();
            let patch = session.finish_patch(200);
            let keys = sealing_keys(patch.set_cookies());
            let same = keys.len() == 2 && keys[0] == keys[1];
            let is_hopeless = rounds == 1_000_000;
            if !same || is_hopeless {
                is_over.store(true, Ordering::SeqCst);
            }
            assert!(same && !is_hopeless, "{keys:?}, {seen:?}");
            seen[usize::from(keys[0] == key(2).id())] = true;
            rounds += 1;
        }
        is_over.store(true, Ordering::SeqCst);
    });
}
