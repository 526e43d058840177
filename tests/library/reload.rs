//! Key rings that change while requests run: files as deployments change them, broken files, and load.
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use sealed_session::events::Level;
use sealed_session::keys::{KeyError, KeyReloader, KeySource, Reload, RingFile};
use sealed_session::{Event, KeyRing, RequestFields, Sealer, SessionState, Sessions};

use testkit::{START, Seen, after, answered, at, key};

/// The directory of one test, with its ring file.
struct Directory(testkit::Directory);

impl Directory {
    fn new(test: &str) -> Self {
        Self(testkit::Directory::new(test))
    }

    fn path(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// Writes another file and renames it over this one.
    fn replace(&self, text: &str) {
        let next = self.0.join("keys.next");
        fs::write(&next, text).unwrap();
        fs::rename(&next, self.path()).unwrap();
    }
}

/// A ring of the keys 1 to 4, of which this one seals.
fn written(seals: u8) -> String {
    let others = (1..=4).filter(|&number| number != seals);
    let ring = others.fold(KeyRing::new(key(seals)), |ring, other| {
        ring.also_opening(key(other)).unwrap()
    });
    ring.write_with_secrets().expose().to_owned()
}

fn sessions(directory: &Directory, seen: &Seen) -> Sessions<u32> {
    let ring = KeyRing::from_file(directory.path()).unwrap();
    Sessions::builder(ring).observer(seen.observer()).build().unwrap()
}

/// The key that a new session is sealed with.
fn seals(sessions: &Sessions<u32>) -> [u8; 4] {
    let mut session = sessions.load(RequestFields::default());
    session.start(1).unwrap();
    let patch = session.finish_patch(200);
    let line = patch.set_cookies().next().unwrap();
    let token = line.split(['=', ';']).nth(1).unwrap();
    sealed_session::edge::Claims::parse(token).unwrap().key_id.to_bytes()
}

#[track_caller]
fn assert_seals(sessions: &Sessions<u32>, number: u8) {
    assert_eq!(seals(sessions), key(number).id().to_bytes());
}

/// The events of rings that were put into use.
fn rings(events: &[Event]) -> Vec<&Event> {
    let is_ring = |event: &&Event| matches!(event, Event::KeysInUse { .. });
    events.iter().filter(is_ring).collect()
}

/// The key that seals, and those that open.
fn in_use(seals: u8, opens: &[u8]) -> Event {
    let id = |&number: &u8| key(number).id();
    let mut opens: Vec<_> = opens.iter().map(id).collect();
    opens.sort();
    Event::KeysInUse {
        seals: id(&seals),
        opens,
    }
}

fn dropped(number: u8, in_use: bool) -> Event {
    let key_id = key(number).id();
    Event::KeyDropped { key_id, in_use }
}

fn settle(reloader: &mut KeyReloader<u32>) {
    assert_eq!(reloader.poll().unwrap(), Reload::Unsettled);
    assert_eq!(reloader.poll().unwrap(), Reload::Replaced);
    assert_eq!(reloader.poll().unwrap(), Reload::Unchanged);
}

#[test]
fn a_new_ring_is_adopted_when_two_looks_gave_it() {
    let (directory, seen) = (Directory::new("settles"), Seen::default());
    directory.replace(&written(1));
    let sessions = sessions(&directory, &seen);
    let mut reloader = sessions.reload_from(RingFile::new(directory.path()));
    assert_eq!(reloader.poll().unwrap(), Reload::Unchanged);
    directory.replace(&written(2));
    assert_eq!(reloader.poll().unwrap(), Reload::Unsettled);
    assert_seals(&sessions, 1);
    directory.replace(&written(3));
    assert_eq!(reloader.poll().unwrap(), Reload::Unsettled, "another one again");
    assert_eq!(reloader.poll().unwrap(), Reload::Replaced);
    assert_seals(&sessions, 3);
    directory.replace(&written(4));
    assert_eq!(reloader.poll().unwrap(), Reload::Unsettled);
    directory.replace(&written(3));
    assert_eq!(reloader.poll().unwrap(), Reload::Unchanged, "taken back");
    directory.replace(&written(4));
    assert_eq!(
        reloader.poll().unwrap(),
        Reload::Unsettled,
        "and what was seen before counts no more"
    );
    // The same ring in another text is no new ring.
    directory.replace(&format!("# comment\n{}", written(3).replace('\n', ";")));
    assert_eq!(reloader.poll().unwrap(), Reload::Unchanged);
    directory.replace(&written(1));
    assert_eq!(
        reloader.reload_now().unwrap(),
        Reload::Replaced,
        "without a second look"
    );
    assert_eq!(reloader.reload_now().unwrap(), Reload::Unchanged);
    assert_seals(&sessions, 1);
}

/// A ring cut after a complete line still parses, but lacks keys.
#[test]
fn a_file_that_is_still_being_written_is_not_adopted() {
    let (directory, seen) = (Directory::new("halves"), Seen::default());
    directory.replace(&written(1));
    let sessions = sessions(&directory, &seen);
    let mut reloader = sessions.reload_from(RingFile::new(directory.path()));
    let cookie = sessions.cookie_for_at(7, time::OffsetDateTime::now_utc()).unwrap();
    let whole = written(2);
    let lines = whole.match_indices('\n').map(|(at, _)| at + 1);
    for end in lines.filter(|&end| end < whole.len()) {
        fs::write(directory.path(), &whole[..end]).unwrap();
        assert_eq!(
            reloader.poll().unwrap(),
            Reload::Unsettled,
            "a ring without its last keys"
        );
        fs::write(directory.path(), &whole[..end + 40]).unwrap();
        assert!(reloader.poll().is_err(), "a key without its end");
        fs::write(directory.path(), &whole[..end]).unwrap();
        assert_eq!(reloader.poll().unwrap(), Reload::Unsettled, "and the count begins anew");
    }
    assert_seals(&sessions, 1);
    assert_eq!(rings(&seen.take()).len(), 0);
    fs::write(directory.path(), &whole).unwrap();
    settle(&mut reloader);
    assert_seals(&sessions, 2);
    let session = sessions.load(RequestFields::from_cookies([cookie]));
    assert_eq!(session.get(), Some(&7));
}

#[test]
fn a_source_that_cannot_be_read_leaves_the_ring_and_is_reported() {
    let (directory, seen) = (Directory::new("broken"), Seen::default());
    directory.replace(&written(1));
    let sessions = sessions(&directory, &seen);
    let mut reloader = sessions.reload_from(RingFile::new(directory.path()));
    let reported = || -> Vec<String> {
        let events = seen.take().into_iter();
        let errors = events.filter_map(|event| match event {
            Event::KeysReloadFailed { error } => Some(error),
            _ => None,
        });
        errors.collect()
    };
    let twice = |reloader: &mut KeyReloader<u32>, text: &str| {
        directory.replace(text);
        assert!(reloader.poll().is_err() && reloader.poll().is_err());
    };
    twice(&mut reloader, "");
    let errors = reported();
    let path = directory.path();
    assert!(
        errors.len() == 1 && errors[0].contains("has no key in it"),
        "{errors:?}"
    );
    assert!(errors[0].contains(&*path.to_string_lossy()), "{errors:?}");
    twice(&mut reloader, "seal hunter2");
    let errors = reported();
    assert!(
        errors.len() == 1 && errors[0].contains("entry 1 of the key ring"),
        "{errors:?}"
    );
    assert!(!errors[0].contains("hunter2"));
    fs::remove_file(directory.path()).unwrap();
    assert!(reloader.poll().is_err() && reloader.reload_now().is_err());
    let errors = reported();
    assert!(
        errors.len() == 1 && errors[0].contains("there is no key file"),
        "{errors:?}"
    );
    assert!(errors[0].contains("; cause: "), "{errors:?}");
    assert_seals(&sessions, 1);
    seen.take();
    directory.replace(&written(1));
    assert_eq!(reloader.poll().unwrap(), Reload::Unchanged);
    assert_eq!(seen.take(), [Event::KeysReloadRecovered]);
    assert_eq!(reloader.poll().unwrap(), Reload::Unchanged);
    assert_eq!(seen.take(), [], "once");
    fs::remove_file(directory.path()).unwrap();
    assert!(reloader.poll().is_err());
    assert_eq!(reported().len(), 1, "it is news again");
    directory.replace(&written(2));
    settle(&mut reloader);
    assert_seals(&sessions, 2);
}

/// So an alert that counts them lasts as long as the failure.
#[test]
fn a_failure_that_lasts_is_reported_again_every_ten_minutes() {
    let (seen, now) = (Seen::default(), Arc::new(AtomicU64::new(START)));
    let clock = Arc::clone(&now);
    let sessions = Sessions::<u32>::builder(KeyRing::new(key(1)))
        .observer(seen.observer())
        .clock(move || at(clock.load(Ordering::SeqCst)))
        .build()
        .unwrap();
    let mut reloader = sessions.reload_from(|| Err(KeyError::EmptyRing));
    let mut reported = Vec::new();
    for second in (0..=1800).step_by(10) {
        now.store(START + second, Ordering::SeqCst);
        assert!(reloader.poll().is_err());
        reported.extend(seen.take().iter().map(|event| (second, event.name())));
    }
    assert_eq!(
        reported,
        [0, 600, 1200, 1800].map(|second| (second, "KeysReloadFailed"))
    );
}

/// A pipe without a writer: opening it would wait forever.
#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_does_not_stop_the_looks() {
    let directory = Directory::new("pipe");
    directory.replace(&written(1));
    let path = directory.path();
    let (heard, events) = mpsc::channel();
    let heard = Mutex::new(heard);
    let builder = Sessions::<u32>::builder(KeyRing::from_file(&path).unwrap());
    let builder = builder.observer(move |event: &Event| _ = heard.lock().unwrap().send(event.clone()));
    let sessions = builder.build().unwrap();
    assert_eq!(events.recv_timeout(PATIENCE), Ok(in_use(1, &[2, 3, 4])));
    let reloading = sessions
        .reload_from(RingFile::new(&path))
        .every(Duration::from_millis(1));
    fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let wait_for = |wanted: Event| while events.recv_timeout(PATIENCE).unwrap() != wanted {};
    let error = KeyError::NotAFile { path }.to_string();
    wait_for(Event::KeysReloadFailed { error });
    directory.replace(&written(2));
    wait_for(in_use(2, &[1, 3, 4]));
    reloading.unwrap().stop();
    assert_seals(&sessions, 2);
}

/// As at the first start of a program, when there is no key yet.
#[test]
fn a_new_key_file_is_reported_once() {
    let (directory, seen) = (Directory::new("made"), Seen::default());
    let ring = || KeyRing::from_file_or_new(directory.path()).unwrap();
    let first = Arc::new(ring());
    let built = |ring: &Arc<KeyRing>, observed: bool| {
        let builder = Sessions::<u32>::builder(Arc::clone(ring));
        match observed {
            true => builder.observer(seen.observer()).build().unwrap(),
            false => builder.build().unwrap(),
        }
    };
    built(&first, false);
    built(&first, true);
    let (path, key_id) = (directory.path(), first.describe()[0].id);
    assert_eq!(seen.take(), [Event::KeyFileCreated { path, key_id }]);
    built(&first, true);
    built(&Arc::new(ring()), true);
    assert_eq!(seen.take(), [], "neither again nor at the next start");
    // A ring that replaces another one is reported too.
    let sessions = built(&first, true);
    fs::remove_file(directory.path()).unwrap();
    sessions.replace_keys(ring());
    let names: Vec<_> = seen.take().iter().map(Event::name).collect();
    assert_eq!(names, ["KeysInUse", "KeyFileCreated", "KeyDropped"]);
}

/// After a failed look, the look before it does not count as the previous one.
#[test]
fn a_failure_in_between_starts_the_count_anew() {
    let (directory, seen) = (Directory::new("between"), Seen::default());
    directory.replace(&written(1));
    let sessions = sessions(&directory, &seen);
    let mut reloader = sessions.reload_from(RingFile::new(directory.path()));
    directory.replace(&written(2));
    assert_eq!(reloader.poll().unwrap(), Reload::Unsettled);
    directory.replace("broken");
    assert!(reloader.poll().is_err());
    directory.replace(&written(2));
    settle(&mut reloader);
}

/// As the kubelet does it: `keys` is a link through `..data` into a directory, and `..data` is replaced.
#[cfg(unix)]
#[test]
fn a_mounted_secret_is_followed_when_its_link_is_swapped() {
    use std::os::unix::fs::symlink;

    let (directory, seen) = (Directory::new("mounted"), Seen::default());
    let swap = |generation: u8| {
        let data = directory.0.join(format!("..generation-{generation}"));
        fs::create_dir(&data).unwrap();
        fs::write(data.join("keys"), written(generation)).unwrap();
        symlink(&data, directory.0.join("..data_tmp")).unwrap();
        fs::rename(directory.0.join("..data_tmp"), directory.0.join("..data")).unwrap();
    };
    swap(1);
    symlink("..data/keys", directory.path()).unwrap();
    let sessions = sessions(&directory, &seen);
    let mut reloader = sessions.reload_from(RingFile::new(directory.path()));
    swap(2);
    settle(&mut reloader);
    assert_seals(&sessions, 2);
}

#[test]
fn a_ring_without_the_sealing_key_is_adopted_and_said() {
    let (directory, seen) = (Directory::new("dropped"), Seen::default());
    directory.replace(&written(1));
    let sessions = sessions(&directory, &seen);
    let cookie = sessions.cookie_for_at(7, time::OffsetDateTime::now_utc()).unwrap();
    let mut reloader = sessions.reload_from(RingFile::new(directory.path()));
    directory.replace(&written(2));
    settle(&mut reloader);
    directory.replace(KeyRing::new(key(9)).write_with_secrets().expose());
    seen.take();
    settle(&mut reloader);
    let in_order = |mut events: Vec<Event>| {
        events[1..].sort_by_key(|event| format!("{event:?}"));
        events
    };
    let expected = vec![
        in_use(9, &[]),
        dropped(1, true),
        dropped(2, true),
        dropped(3, false),
        dropped(4, false),
    ];
    assert_eq!(
        in_order(seen.take()),
        in_order(expected),
        "a session lives under key 1, and key 2 sealed"
    );
    let session = sessions.load(RequestFields::from_cookies([cookie]));
    assert_eq!(
        session.state(),
        SessionState::Rejected(sealed_session::Reason::UnknownKey)
    );
}

/// In the middle of a rotation nearly all sessions live under the key that only opens. At its end none does.
#[test]
fn a_dropped_key_is_a_warning_as_long_as_sessions_live_under_it() {
    const HOUR: u64 = 3600;
    for (opened, dropped_after, is_in_use) in [
        // Sealed by this server, before the rotation.
        (None, 12 * HOUR - 1, true),
        (None, 12 * HOUR, false),
        // Sealed by another server, and opened by this one.
        (Some(2 * HOUR), 14 * HOUR - 1, true),
        (Some(2 * HOUR), 14 * HOUR, false),
    ] {
        let (seen, now) = (Seen::default(), Arc::new(AtomicU64::new(START)));
        let clock = Arc::clone(&now);
        let server = |seen: &Seen, clock: Arc<AtomicU64>| {
            let builder = Sessions::<u32>::builder(KeyRing::new(key(1))).observer(seen.observer());
            let builder = builder.clock(move || at(clock.load(Ordering::SeqCst)));
            builder.build().unwrap()
        };
        let sessions = server(&seen, clock);
        _ = sessions.cookie_for_at(7, after(0)).unwrap();
        seen.take();
        sessions.replace_keys(KeyRing::new(key(1)).also_opening(key(2)).unwrap());
        sessions.replace_keys(KeyRing::new(key(2)).also_opening(key(1)).unwrap());
        assert_eq!(seen.take(), [in_use(1, &[2]), in_use(2, &[1])]);
        if let Some(started) = opened {
            let other = server(&Seen::default(), Arc::default());
            let cookie = other.cookie_for_at(8, after(started)).unwrap();
            let fields = RequestFields::from_cookies([cookie]);
            assert_eq!(sessions.load_at(fields, after(started)).get(), Some(&8));
        }
        now.store(START + dropped_after, Ordering::SeqCst);
        sessions.replace_keys(KeyRing::new(key(2)));
        let events = seen.take();
        assert_eq!(events, [in_use(2, &[]), dropped(1, is_in_use)]);
        let level = if is_in_use { Level::Warn } else { Level::Info };
        assert_eq!(events[1].level(), level);
    }
}

#[test]
fn the_ring_in_use_is_reported_at_the_start() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&told);
    let ring = KeyRing::new(key(1)).also_opening(key(2)).unwrap();
    let promoted = |ring: &KeyRing, number, from| {
        let ring = ring.also_opening(key(number)).unwrap();
        ring.promote(key(number).id(), Some(from)).unwrap()
    };
    let ring = Arc::new(promoted(&promoted(&ring, 3, after(100)), 4, after(0)));
    let build = |now| {
        let events = Arc::clone(&events);
        let builder = Sessions::<u32>::builder(Arc::clone(&ring)).clock(move || after(now));
        let builder = builder.observer(move |event: &Event| events.lock().unwrap().push(event.clone()));
        builder.build().unwrap()
    };
    build(99);
    build(100);
    assert_eq!(*told.lock().unwrap(), [in_use(4, &[1, 2, 3]), in_use(3, &[1, 2, 4])]);
}

/// In an emergency a ring is set by hand. A file that has not changed yet does not undo this.
#[test]
fn only_a_change_of_the_source_replaces_a_ring_that_was_set_by_hand() {
    let (directory, seen) = (Directory::new("by-hand"), Seen::default());
    directory.replace(&written(1));
    let sessions = sessions(&directory, &seen);
    let mut reloader = sessions.reload_from(RingFile::new(directory.path()));
    sessions.replace_keys(KeyRing::new(key(9)));
    assert_eq!(reloader.poll().unwrap(), Reload::Unchanged);
    assert_eq!(reloader.reload_now().unwrap(), Reload::Unchanged);
    assert_seals(&sessions, 9);
    directory.replace(&written(2));
    settle(&mut reloader);
    assert_seals(&sessions, 2);
}

#[test]
fn sealers_follow_together_with_the_sessions() {
    let sealer = Arc::new(Sealer::new(KeyRing::new(key(1)), "magic-link").unwrap());
    let sessions = Sessions::<u32>::builder(KeyRing::new(key(1))).build().unwrap();
    let source = || Ok(KeyRing::new(key(2)));
    let mut reloader = sessions.reload_from(source).with_sealer(Arc::clone(&sealer));
    let old = sealer.seal(b"old", Duration::from_secs(60)).unwrap();
    assert_eq!(reloader.reload_now().unwrap(), Reload::Replaced);
    assert!(sealer.open(&old).is_err());
    let new = Sealer::new(KeyRing::new(key(2)), "magic-link").unwrap();
    assert!(new.open(&sealer.seal(b"new", Duration::from_secs(60)).unwrap()).is_ok());
}

#[test]
fn a_source_that_panics_is_a_failure_like_any_other() {
    let seen = Seen::default();
    let builder = Sessions::<u32>::builder(KeyRing::new(key(1))).observer(seen.observer());
    let sessions = builder.build().unwrap();
    let calls = AtomicU32::new(0);
    let mut reloader = sessions.reload_from(move || match calls.fetch_add(1, Ordering::SeqCst) {
        0 => panic!("a source that was written in a hurry"),
        _ => Ok(KeyRing::new(key(2))),
    });
    assert!(matches!(reloader.poll(), Err(KeyError::Source { .. })));
    assert!(matches!(seen.take()[..], [Event::KeysReloadFailed { .. }]));
    settle(&mut reloader);
}

/// A source that reports each look, and its own end.
struct Told {
    asked: mpsc::Sender<()>,
    ring: Arc<Mutex<u8>>,
}

impl KeySource for Told {
    fn load(&self) -> Result<KeyRing, KeyError> {
        _ = self.asked.send(());
        Ok(KeyRing::new(key(*self.ring.lock().unwrap())))
    }
}

/// The longest wait for an event that must come. It says nothing about speed.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_thread_follows_the_source_until_its_handle_is_dropped() {
    let (heard, events) = mpsc::channel();
    let builder = Sessions::<u32>::builder(KeyRing::new(key(1)));
    let heard = Mutex::new(heard);
    let builder = builder.observer(move |event: &Event| _ = heard.lock().unwrap().send(event.clone()));
    let sessions = builder.build().unwrap();
    assert_eq!(events.recv_timeout(PATIENCE), Ok(in_use(1, &[])));
    let ring = Arc::new(Mutex::new(1));
    for stops in [false, true] {
        let (asked, questions) = mpsc::channel();
        let ring_of_source = Arc::clone(&ring);
        let source = Told {
            asked,
            ring: ring_of_source,
        };
        let reloading = sessions.reload_from(source).every(Duration::from_millis(1)).unwrap();
        questions.recv_timeout(PATIENCE).unwrap();
        let next = *ring.lock().unwrap() + 1;
        *ring.lock().unwrap() = next;
        assert_eq!(events.recv_timeout(PATIENCE), Ok(in_use(next, &[])));
        assert_eq!(events.recv_timeout(PATIENCE), Ok(dropped(next - 1, true)));
        match stops {
            true => reloading.stop(),
            false => drop(reloading),
        }
        // The source ends with the thread.
        let after_the_end = loop {
            if let Err(error) = questions.recv_timeout(PATIENCE) {
                break error;
            }
        };
        assert_eq!(after_the_end, mpsc::RecvTimeoutError::Disconnected);
        assert_seals(&sessions, next);
        while events.try_recv().is_ok() {}
    }
    let refused = sessions.reload_from(|| Err(KeyError::EmptyRing)).every(Duration::ZERO);
    assert!(refused.unwrap_err().to_string().contains("give it some seconds"));
}

/// The interval is a day: only the notice can bring the ring.
#[test]
fn a_notice_brings_a_new_ring_without_a_second_look() {
    let (told, events) = mpsc::channel();
    let told = Mutex::new(told);
    let builder = Sessions::<u32>::builder(KeyRing::parse(&written(1)).unwrap());
    let builder = builder.observer(move |event: &Event| _ = told.lock().unwrap().send(event.clone()));
    let sessions = builder.build().unwrap();
    let source = || KeyRing::parse(&written(2));
    let following = sessions.reload_from(source).every(Duration::from_secs(86_400)).unwrap();
    let notice = following.notice();
    assert!(matches!(events.recv_timeout(PATIENCE), Ok(Event::KeysInUse { .. })));
    assert_seals(&sessions, 1);
    notice();
    while !matches!(events.recv_timeout(PATIENCE), Ok(Event::KeysInUse { .. })) {}
    assert_seals(&sessions, 2);
    following.stop();
    notice();
}

/// An answer is awaited for half a minute before that is a failure.
#[test]
fn a_source_that_thinks_for_a_moment_has_not_failed() {
    let (told, events) = mpsc::channel();
    let told = Mutex::new(told);
    let builder = Sessions::<u32>::builder(KeyRing::new(key(1)));
    let builder = builder.observer(move |event: &Event| _ = told.lock().unwrap().send(event.clone()));
    let sessions = builder.build().unwrap();
    let source = || {
        thread::sleep(Duration::from_millis(100));
        Ok(KeyRing::new(key(2)))
    };
    let following = sessions.reload_from(source).every(Duration::from_millis(1)).unwrap();
    assert_eq!(events.recv_timeout(PATIENCE), Ok(in_use(1, &[])));
    assert_eq!(events.recv_timeout(PATIENCE), Ok(in_use(2, &[])));
    following.stop();
}

#[test]
fn stopping_waits_until_a_ring_that_is_being_adopted_is_in_use() {
    let (begins, adopting) = mpsc::channel();
    let begins = Mutex::new(begins);
    let done = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&done);
    let builder = Sessions::<u32>::builder(KeyRing::new(key(1))).observer(move |event: &Event| {
        if *event == in_use(2, &[]) {
            begins.lock().unwrap().send(()).unwrap();
            thread::sleep(Duration::from_millis(200));
            ended.store(true, Ordering::SeqCst);
        }
    });
    let sessions = builder.build().unwrap();
    let source = || Ok(KeyRing::new(key(2)));
    let following = sessions.reload_from(source).every(Duration::from_millis(1)).unwrap();
    adopting.recv_timeout(PATIENCE).unwrap();
    following.stop();
    assert!(done.load(Ordering::SeqCst));
}

/// A thousand replacements, one in five broken, while four threads open, write and sign in: no request fails.
#[test]
fn no_request_fails_during_a_thousand_replacements() {
    const REPLACEMENTS: u32 = 1000;
    let (directory, seen) = (Directory::new("load"), Seen::default());
    directory.replace(&written(1));
    let sessions = sessions(&directory, &seen);
    let mut reloader = sessions.reload_from(RingFile::new(directory.path()));
    let (done, start) = (AtomicBool::new(false), Barrier::new(5));
    let requests = AtomicU32::new(0);
    let visit = || {
        let mut cookie = sessions.cookie_for_at(0, time::OffsetDateTime::now_utc()).unwrap();
        start.wait();
        let mut count = 0;
        while !done.load(Ordering::SeqCst) {
            let mut session = sessions.load(RequestFields::from_cookies([cookie.clone()]));
            assert_eq!(session.get(), Some(&count), "{:?}", session.state());
            count += 1;
            if count % 5 == 0 {
                session.start(count).unwrap();
            } else {
                let _ = session.update(|number| *number = count).unwrap();
                session.touch().unwrap();
            }
            let patch = session.finish_patch(200);
            assert_eq!(patch.set_cookies().count(), 2);
            cookie = answered("", &patch);
            requests.fetch_add(1, Ordering::SeqCst);
        }
    };
    let broken = ["", "seal", "seal sealed1_9e4859a4_4b99", "open \u{fffd}"];
    let (mut adopted, mut refused) = (0, 0);
    thread::scope(|scope| {
        let visitors = [(); 4].map(|()| scope.spawn(visit));
        start.wait();
        for replacement in 0..REPLACEMENTS {
            let before = requests.load(Ordering::SeqCst);
            if replacement % 5 == 4 {
                directory.replace(broken[(replacement / 5) as usize % broken.len()]);
                assert!(reloader.poll().is_err());
                refused += 1;
            } else {
                directory.replace(&written((replacement % 4 + 1) as u8));
                while reloader.poll().unwrap() == Reload::Unsettled {}
                adopted += 1;
            }
            // At least one request runs with every ring; the loop does not wait for a visitor that failed.
            while requests.load(Ordering::SeqCst) == before && !visitors.iter().any(|visitor| visitor.is_finished()) {
                thread::yield_now();
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!((adopted, refused), (800, 200));
    let events = seen.take();
    let count = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
    // The first one is the ring from before.
    assert_eq!(rings(&events).len(), 799);
    assert_eq!(count(|event| matches!(event, Event::KeysReloadFailed { .. })), 200);
    assert_eq!(count(|event| *event == Event::KeysReloadRecovered), 199);
    assert_eq!(
        count(|event| matches!(event, Event::Rejected { .. } | Event::EndedMeanwhile { .. })),
        0
    );
    assert!(requests.load(Ordering::SeqCst) >= REPLACEMENTS);
}
