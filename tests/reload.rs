//! Key rings that change while requests run: files as they really change, broken ones, and load.
#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use sealed_session::{
    Event, KeyError, KeyReloader, KeyRing, KeySource, Reload, RequestFields, RingFile, Sealer, Sessions, State,
};

use common::{Seen, key};

/// A directory of one test, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sealed-session-{test}-{}", std::process::id()));
        _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// Writes another file and renames it over.
    fn replace(&self, text: &str) {
        let next = self.0.join("keys.next");
        fs::write(&next, text).unwrap();
        fs::rename(&next, self.path()).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// Keys 1 to 4, sealed with this one.
fn written(seals: u8) -> String {
    let others = (1..=4).filter(|&number| number != seals);
    let ring = others.fold(KeyRing::new(key(seals)), |ring, other| ring.open(key(other)).unwrap());
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
    let patch = session.finish(200).unwrap();
    let line = patch.set_cookies().next().unwrap();
    let token = line.split(['=', ';']).nth(1).unwrap();
    sealed_session::Claims::parse(token).unwrap().key_id.to_bytes()
}

#[track_caller]
fn assert_seals(sessions: &Sessions<u32>, number: u8) {
    assert_eq!(seals(sessions), key(number).id().to_bytes());
}

fn settle(reloader: &mut KeyReloader<u32>) {
    assert_eq!(reloader.poll(), Ok(Reload::Unsettled));
    assert_eq!(reloader.poll(), Ok(Reload::Replaced));
    assert_eq!(reloader.poll(), Ok(Reload::Unchanged));
}

#[test]
fn a_new_ring_is_adopted_when_two_looks_gave_it() {
    let (directory, seen) = (Directory::new("settles"), Seen::default());
    directory.replace(&written(1));
    let sessions = sessions(&directory, &seen);
    let mut reloader = sessions.reload_from(RingFile::new(directory.path()));
    assert_eq!(reloader.poll(), Ok(Reload::Unchanged));
    directory.replace(&written(2));
    assert_eq!(reloader.poll(), Ok(Reload::Unsettled));
    assert_seals(&sessions, 1);
    directory.replace(&written(3));
    assert_eq!(reloader.poll(), Ok(Reload::Unsettled), "another one again");
    assert_eq!(reloader.poll(), Ok(Reload::Replaced));
    assert_seals(&sessions, 3);
    directory.replace(&written(4));
    assert_eq!(reloader.poll(), Ok(Reload::Unsettled));
    directory.replace(&written(3));
    assert_eq!(reloader.poll(), Ok(Reload::Unchanged), "taken back");
    directory.replace(&written(4));
    assert_eq!(
        reloader.poll(),
        Ok(Reload::Unsettled),
        "and what was seen before counts no more"
    );
    // Another text of the same ring is the same ring.
    directory.replace(&format!("# comment\n{}", written(3).replace('\n', ";")));
    assert_eq!(reloader.poll(), Ok(Reload::Unchanged));
    directory.replace(&written(1));
    assert_eq!(reloader.reload_now(), Ok(Reload::Replaced), "without a second look");
    assert_eq!(reloader.reload_now(), Ok(Reload::Unchanged));
    assert_seals(&sessions, 1);
}

/// Cut after a complete line, a ring parses and lacks keys.
#[test]
fn a_file_that_is_still_being_written_is_not_adopted() {
    let (directory, seen) = (Directory::new("halves"), Seen::default());
    directory.replace(&written(1));
    let sessions = sessions(&directory, &seen);
    let mut reloader = sessions.reload_from(RingFile::new(directory.path()));
    let cookie = sessions.cookie_for(7, time::OffsetDateTime::now_utc()).unwrap();
    let whole = written(2);
    let lines = whole.match_indices('\n').map(|(at, _)| at + 1);
    for end in lines.filter(|&end| end < whole.len()) {
        fs::write(directory.path(), &whole[..end]).unwrap();
        assert_eq!(reloader.poll(), Ok(Reload::Unsettled), "a ring without its last keys");
        fs::write(directory.path(), &whole[..end + 40]).unwrap();
        assert!(reloader.poll().is_err(), "a key without its end");
        fs::write(directory.path(), &whole[..end]).unwrap();
        assert_eq!(reloader.poll(), Ok(Reload::Unsettled), "and the count begins anew");
    }
    assert_seals(&sessions, 1);
    assert!(!seen.take().contains(&Event::KeysReplaced));
    fs::write(directory.path(), &whole).unwrap();
    settle(&mut reloader);
    assert_seals(&sessions, 2);
    let session = sessions.load(RequestFields::new([cookie]));
    assert_eq!(session.get(), Some(&7));
}

#[test]
fn what_cannot_be_read_leaves_the_ring_and_is_reported_once_per_reason() {
    let (directory, seen) = (Directory::new("broken"), Seen::default());
    directory.replace(&written(1));
    let sessions = sessions(&directory, &seen);
    let mut reloader = sessions.reload_from(RingFile::new(directory.path()));
    let reported = || -> Vec<KeyError> {
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
    assert_eq!(reported(), [KeyError::EmptyRing]);
    twice(&mut reloader, "seal hunter2");
    let errors = reported();
    assert!(matches!(errors[..], [KeyError::Entry { entry: 1, .. }]), "{errors:?}");
    assert!(!errors[0].to_string().contains("hunter2"));
    fs::remove_file(directory.path()).unwrap();
    assert!(reloader.poll().is_err() && reloader.reload_now().is_err());
    let (path, kind) = (directory.path(), std::io::ErrorKind::NotFound);
    assert_eq!(reported(), [KeyError::File { path, kind }]);
    assert_seals(&sessions, 1);
    directory.replace(&written(1));
    assert_eq!(reloader.poll(), Ok(Reload::Unchanged));
    fs::remove_file(directory.path()).unwrap();
    assert!(reloader.poll().is_err());
    assert_eq!(reported().len(), 1, "it is news again");
    directory.replace(&written(2));
    settle(&mut reloader);
    assert_seals(&sessions, 2);
}

/// A broken look in between: what came before it is not "the look before".
#[test]
fn a_failure_in_between_starts_the_count_anew() {
    let (directory, seen) = (Directory::new("between"), Seen::default());
    directory.replace(&written(1));
    let sessions = sessions(&directory, &seen);
    let mut reloader = sessions.reload_from(RingFile::new(directory.path()));
    directory.replace(&written(2));
    assert_eq!(reloader.poll(), Ok(Reload::Unsettled));
    directory.replace("broken");
    assert!(reloader.poll().is_err());
    directory.replace(&written(2));
    settle(&mut reloader);
}

/// As the kubelet does it: `keys` leads through `..data` to a directory, and `..data` is renamed over.
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
    symlink(Path::new("..data/keys"), directory.path()).unwrap();
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
    let cookie = sessions.cookie_for(7, time::OffsetDateTime::now_utc()).unwrap();
    let mut reloader = sessions.reload_from(RingFile::new(directory.path()));
    directory.replace(&written(2));
    settle(&mut reloader);
    directory.replace(KeyRing::new(key(9)).write_with_secrets().expose());
    seen.take();
    settle(&mut reloader);
    let id = key(2).id();
    assert_eq!(seen.take(), [Event::KeysReplaced, Event::SealingKeyDropped { id }]);
    let session = sessions.load(RequestFields::new([cookie]));
    assert_eq!(session.state(), State::Rejected(sealed_session::Reason::UnknownKey));
}

/// A ring that was brought in by hand, in an emergency, is not undone by a file that nobody has changed yet.
#[test]
fn only_a_change_of_the_source_replaces_a_ring_that_was_set_by_hand() {
    let (directory, seen) = (Directory::new("by-hand"), Seen::default());
    directory.replace(&written(1));
    let sessions = sessions(&directory, &seen);
    let mut reloader = sessions.reload_from(RingFile::new(directory.path()));
    sessions.replace_keys(KeyRing::new(key(9)));
    assert_eq!(reloader.poll(), Ok(Reload::Unchanged));
    assert_eq!(reloader.reload_now(), Ok(Reload::Unchanged));
    assert_seals(&sessions, 9);
    directory.replace(&written(2));
    settle(&mut reloader);
    assert_seals(&sessions, 2);
}

#[test]
fn sealers_follow_together_with_the_sessions() {
    let sealer = Arc::new(Sealer::new(KeyRing::new(key(1)), "magic-link", "").unwrap());
    let sessions = Sessions::<u32>::builder(KeyRing::new(key(1))).build().unwrap();
    let source = || Ok(KeyRing::new(key(2)));
    let mut reloader = sessions.reload_from(source).with_sealer(Arc::clone(&sealer));
    let old = sealer.seal(b"old", Duration::from_secs(60)).unwrap();
    assert_eq!(reloader.reload_now(), Ok(Reload::Replaced));
    assert!(sealer.open(&old).is_err());
    let new = Sealer::new(KeyRing::new(key(2)), "magic-link", "").unwrap();
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

/// A source that says when it was asked, and when it is gone.
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

/// No more than this is waited for what must come: it is no claim about time.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_thread_follows_the_source_until_its_handle_is_dropped() {
    let (heard, events) = mpsc::channel();
    let builder = Sessions::<u32>::builder(KeyRing::new(key(1)));
    let heard = Mutex::new(heard);
    let builder = builder.observer(move |event: &Event| _ = heard.lock().unwrap().send(event.clone()));
    let sessions = builder.build().unwrap();
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
        assert_eq!(events.recv_timeout(PATIENCE), Ok(Event::KeysReplaced));
        let id = key(next - 1).id();
        assert_eq!(events.recv_timeout(PATIENCE), Ok(Event::SealingKeyDropped { id }));
        match stops {
            true => reloading.stop(),
            false => drop(reloading),
        }
        // The source goes with the thread.
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
        let mut cookie = sessions.cookie_for(0, time::OffsetDateTime::now_utc()).unwrap();
        start.wait();
        let mut count = 0;
        while !done.load(Ordering::SeqCst) {
            let mut session = sessions.load(RequestFields::new([cookie.clone()]));
            assert_eq!(session.get(), Some(&count), "{:?}", session.state());
            count += 1;
            if count % 5 == 0 {
                session.start(count).unwrap();
            } else {
                session.update(|number| *number = count).unwrap();
                session.renew().unwrap();
            }
            let patch = session.finish(200).unwrap();
            let pairs: Vec<&str> = patch.set_cookies().filter_map(|line| line.split(';').next()).collect();
            assert_eq!(pairs.len(), 2);
            cookie = pairs.join("; ");
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
            // At least one request meets every ring; a visitor that failed would not be waited for.
            while requests.load(Ordering::SeqCst) == before && !visitors.iter().any(|visitor| visitor.is_finished()) {
                thread::yield_now();
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!((adopted, refused), (800, 200));
    let events = seen.take();
    let count = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
    // The first one is the ring that was there.
    assert_eq!(count(|event| *event == Event::KeysReplaced), 799);
    assert_eq!(count(|event| matches!(event, Event::KeysReloadFailed { .. })), 200);
    assert_eq!(
        count(|event| matches!(event, Event::Rejected { .. } | Event::SealingFailed)),
        0
    );
    assert!(requests.load(Ordering::SeqCst) >= REPLACEMENTS);
}
