//! Several processes on one host that share revocations through a directory.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use sealed_session::revocation::{
    Revocation, RevocationFile, RevocationFileError, RevocationList, Revocations, write_list,
};
use sealed_session::{Event, RequestFields, SessionState, Sessions};
use testkit::{Directory, Seen};

use crate::revocation_file::{damaged_files, eventually, id, now, read, revoke, sessions};

fn join(directory: &Path) -> RevocationFile {
    RevocationFile::in_directory(directory, Revocations::new()).unwrap()
}

/// Without lock files.
fn names(directory: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(directory).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.ends_with(".lock")).collect()
}

/// A delta or a snapshot.
fn written(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let until = now() + Duration::from_secs(3600);
    write_list(
        None,
        numbers.into_iter().map(|number| Revocation { id: id(number), until }),
    )
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// Puts a file there that is whole from the beginning.
fn put(path: &Path, bytes: &[u8]) {
    fs::write(path.with_extension("new"), bytes).unwrap();
    fs::rename(path.with_extension("new"), path).unwrap();
}

/// Joins as the process that has this file. (A process that another test starts has the locks of this process until it
/// runs its own program. So a lock that was released may be held a moment longer.)
#[track_caller]
fn take(directory: &Path, name: &str) -> RevocationFile {
    let mut file = join(directory);
    eventually(|| {
        let has_it = format!("{file:?}").contains(&format!("/{name}\""));
        if !has_it {
            file = join(directory);
        }
        has_it
    });
    file
}

/// Waits until `follower` has looked at all files since this was called. News of another process come in three looks.
/// The second one began after the call, and is over when the third one has begun.
#[track_caller]
fn has_looked(follower: &RevocationFile, other: &RevocationFile) {
    for _ in 0..3 {
        let number = getrandom::u64().unwrap();
        revoke(other, number);
        eventually(|| follower.is_revoked(id(number)));
    }
}

#[test]
fn a_sign_out_and_a_cut_off_hold_in_every_process_and_in_all_that_start_later() {
    let directory = Directory::new("dir-share");
    let seen = Seen::default();
    let start = || sessions(join(&directory.join("made/too")), &seen);
    let load = |sessions: &Sessions<u32>, cookie: &String| sessions.load(RequestFields::from_cookies([cookie.clone()]));
    let is_refused =
        |sessions: &Sessions<u32>, cookie: &String| matches!(load(sessions, cookie).state(), SessionState::Rejected(_));
    let (one, two) = (start(), start());
    let cookie = one.cookie_for_at(7, now()).unwrap();
    let other = one.cookie_for_at(8, now() - Duration::from_secs(60)).unwrap();
    load(&one, &cookie).end().unwrap();
    eventually(|| is_refused(&two, &cookie));
    assert!(!is_refused(&one, &other) && !is_refused(&two, &other));
    two.raise_cut_off(now() - Duration::from_secs(30));
    eventually(|| is_refused(&one, &other));

    // From the first request on: of a process beside them, and of one that takes the file of a process that is gone.
    assert!([&cookie, &other].into_iter().all(|cookie| is_refused(&start(), cookie)));
    assert!(names(&directory.join("made/too")).is_superset(&["1.revoked".to_owned(), "2.revoked".to_owned()].into()));
    drop((one, two));
    let first = sessions(take(&directory.join("made/too"), "1.revoked"), &Seen::default());
    assert!([&cookie, &other].into_iter().all(|cookie| is_refused(&first, cookie)));
}

#[test]
fn starts_at_once_take_different_files_and_a_file_is_free_when_its_last_handle_is_dropped() {
    let directory = Directory::new("dir-starts");
    let barrier = Barrier::new(8);
    let files: Vec<_> = thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|number| {
                let (directory, barrier) = (&directory, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let file = join(directory);
                    revoke(&file, number);
                    file
                })
            })
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    let taken: BTreeSet<_> = (1..=8).map(|number| format!("{number}.revoked")).collect();
    assert_eq!(names(&directory), taken);
    // The file of one process is not for another one, whichever way it is opened.
    let path = directory.join("3.revoked");
    let refused = RevocationFile::open(&path, Revocations::new()).unwrap_err();
    assert!(matches!(refused, RevocationFileError::InUse { .. }), "{refused}");
    // Each file has the entry of its process only, and each start finds all.
    for name in &taken {
        assert_eq!(read(&directory.join(name)).len(), 1, "{name}");
    }
    drop(files);
    let again = take(&directory, "1.revoked");
    assert!((0..8).all(|number| again.is_revoked(id(number))));
}

#[test]
fn what_a_process_has_read_it_does_not_write() {
    let directory = Directory::new("dir-echo");
    let (one, two) = (join(&directory), join(&directory));
    (0..100).for_each(|number| revoke(&one, number));
    eventually(|| (0..100).all(|number| two.is_revoked(id(number))));
    revoke(&two, 100);
    two.flush().unwrap();
    let own = |list: Revocations| (list.len(), list.is_revoked(id(100)));
    assert_eq!(own(read(&directory.join("1.revoked"))), (100, false));
    assert_eq!(own(read(&directory.join("2.revoked"))), (1, true));
    // Nor after a restart, when it takes over a file.
    drop((one, two));
    let (one, two) = (take(&directory, "1.revoked"), take(&directory, "2.revoked"));
    assert!(one.is_revoked(id(100)) && two.is_revoked(id(0)));
    assert_eq!(own(read(&directory.join("1.revoked"))), (100, false));
    assert_eq!(own(read(&directory.join("2.revoked"))), (1, true));
    // A file that was removed is written anew, with all that its process revoked.
    fs::remove_file(directory.join("1.revoked")).unwrap();
    revoke(&one, 101);
    assert_eq!(own(read(&directory.join("1.revoked"))), (101, false));
}

#[test]
fn files_are_followed_whether_they_grow_or_are_replaced_or_cut_or_removed() {
    let directory = Directory::new("dir-follow");
    let cases: [Case; 4] = [grows, is_replaced, is_cut, is_removed];
    // At once, since each takes some seconds.
    thread::scope(|scope| {
        for (number, case) in cases.into_iter().enumerate() {
            let directory = directory.join(number.to_string());
            scope.spawn(move || {
                let (seen, one, two) = (Seen::default(), join(&directory), join(&directory));
                let _sessions = sessions(one.clone(), &seen);
                // Of a process without `in_directory`: any name will do.
                let path = directory.join("web.9.revoked");
                put(&path, &written(0..3));
                eventually(|| one.is_revoked(id(2)));
                case(&path, &|number| one.is_revoked(id(number)), &|| has_looked(&one, &two));
                assert_eq!(seen.take(), []);
            });
        }
    });
}

/// The file, whether its reader knows a number, and a wait for a look.
type Case = fn(&Path, &dyn Fn(u64) -> bool, &dyn Fn());

fn grows(path: &Path, is_known: &dyn Fn(u64) -> bool, look: &dyn Fn()) {
    append(path, &written([3]));
    eventually(|| is_known(3));
    // A delta that is being written is read when it is whole.
    let delta = written([4, 5]);
    append(path, &delta[..30]);
    look();
    assert!(!is_known(4) && !is_known(5));
    append(path, &delta[30..]);
    eventually(|| is_known(4) && is_known(5));
}

fn is_replaced(path: &Path, is_known: &dyn Fn(u64) -> bool, _: &dyn Fn()) {
    // By a file of the same length, and by a longer one.
    for (first, count) in [(10, 3), (20, 9)] {
        put(path, &written(first..first + count));
        eventually(|| is_known(first) && is_known(first + count - 1));
    }
}

fn is_cut(path: &Path, is_known: &dyn Fn(u64) -> bool, look: &dyn Fn()) {
    let length = fs::metadata(path).unwrap().len();
    append(path, &written(3..6));
    eventually(|| is_known(5));
    OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(length)
        .unwrap();
    look();
    append(path, &written([6]));
    eventually(|| is_known(6));
}

fn is_removed(path: &Path, is_known: &dyn Fn(u64) -> bool, look: &dyn Fn()) {
    fs::remove_file(path).unwrap();
    look();
    put(path, &written([3]));
    eventually(|| is_known(3));
}

#[test]
fn a_damaged_file_stops_nothing_and_what_is_before_the_damage_holds() {
    let directory = Directory::new("dir-damaged");
    let [text, empty, tail] = damaged_files(&directory.join("whole"));
    thread::scope(|scope| {
        for (name, damaged, held) in [("text", text, 0), ("empty", empty, 0), ("tail", tail, 2)] {
            let directory = directory.join(name);
            scope.spawn(move || damaged_in(&directory, &damaged, held));
        }
    });
}

fn damaged_in(directory: &Path, damaged: &[u8], held: usize) {
    fs::create_dir(directory).unwrap();
    let path = |name: &str| directory.join(name);
    for name in ["1.revoked", "9.revoked"] {
        fs::write(path(name), damaged).unwrap();
    }
    let (list, seen) = (Revocations::new(), Seen::default());
    let one = RevocationFile::in_directory(directory, list.clone()).unwrap();
    let two = join(directory);
    let _sessions = sessions(one.clone(), &seen);
    assert_eq!((list.len(), read(&path("1.revoked")).len()), (held, held));
    // It is told once, and the other files are followed.
    has_looked(&one, &two);
    let events = seen.take();
    let [
        Event::RevocationFilePutAside { path: aside, .. },
        Event::RevocationStoreRefused { error },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(fs::read(aside).unwrap(), damaged);
    assert!(error.contains("9.revoked: the "), "{error}");
    assert_eq!(
        fs::read(path("9.revoked")).unwrap(),
        damaged,
        "it belongs to no process"
    );

    // Damage while the process runs.
    put(&path("9.revoked"), &[written([5]), b"SSRL\x02".to_vec()].concat());
    has_looked(&one, &two);
    assert!(one.is_revoked(id(5)));
    let events = seen.take();
    assert!(
        matches!(events[..], [Event::RevocationStoreRefused { .. }]),
        "{events:?}"
    );
    append(&path("9.revoked"), b"more");
    has_looked(&one, &two);
    assert_eq!(seen.take(), [], "it was told");
}

#[cfg(unix)]
#[test]
fn links_pipes_and_directories_are_not_opened() {
    let directory = Directory::new("dir-odd");
    let path = |name: &str| directory.join(name);
    let pipe = |name: &str| {
        let made = std::process::Command::new("mkfifo").arg(path(name)).status();
        assert!(made.unwrap().success());
    };
    pipe("1.revoked");
    pipe("2.revoked.lock");
    fs::write(path("target"), written([1])).unwrap();
    std::os::unix::fs::symlink("target", path("3.revoked")).unwrap();
    std::os::unix::fs::symlink("elsewhere", path("4.revoked.lock")).unwrap();
    fs::create_dir(path("5.revoked")).unwrap();
    let (list, seen) = (Revocations::new(), Seen::default());
    let one = RevocationFile::in_directory(&*directory, list.clone()).unwrap();
    assert!(path("6.revoked").exists() && !path("elsewhere").exists());
    let two = join(&directory);
    let _sessions = sessions(one.clone(), &seen);
    has_looked(&one, &two);
    assert!(list.len() == 3 && !list.is_revoked(id(1)));
    let events = seen.take();
    assert!(
        matches!(&events[..], [Event::RevocationStoreLost { error }] if error.contains("not a regular file")),
        "{events:?}"
    );
    fs::remove_file(path("1.revoked")).unwrap();
    fs::remove_file(path("3.revoked")).unwrap();
    fs::remove_dir(path("5.revoked")).unwrap();
    eventually(|| seen.take() == [Event::RevocationStoreRecovered]);
}

#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_written_is_an_error_and_a_damaged_file_in_it_stays() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = Directory::new("dir-denied");
    let refused = |directory: &Path| {
        let refused = RevocationFile::in_directory(directory, Revocations::new()).unwrap_err();
        assert!(matches!(refused, RevocationFileError::File { .. }), "{refused}");
    };
    let denied = directory.join("denied");
    fs::create_dir(&denied).unwrap();
    fs::set_permissions(&denied, fs::Permissions::from_mode(0o555)).unwrap();
    // Root may write there all the same.
    if fs::write(denied.join("try"), "").is_err() {
        refused(&denied);
    }
    fs::write(directory.join("file"), "").unwrap();
    refused(&directory.join("file"));
    refused(&directory.join("file/in"));
    #[cfg(target_os = "linux")]
    refused(Path::new("/proc/self/task"));

    // The file cannot be rewritten, as on a full disk.
    let [.., damaged] = damaged_files(&directory.join("whole"));
    fs::write(directory.join("1.revoked"), &damaged).unwrap();
    fs::create_dir(directory.join("1.revoked.new")).unwrap();
    for _ in 0..2 {
        // The lock of 1 may be held a moment longer: see `take`.
        eventually(|| RevocationFile::in_directory(&*directory, Revocations::new()).is_err());
        assert_eq!(fs::read(directory.join("1.revoked")).unwrap(), damaged);
    }
    fs::remove_dir(directory.join("1.revoked.new")).unwrap();
    assert!(join(&directory).is_revoked(id(1)));
}

#[cfg(target_os = "linux")]
#[test]
fn a_damaged_file_of_which_no_copy_can_be_kept_is_an_error_and_stays() {
    let root = Directory::new("dir-long");
    let mut directory = fs::canonicalize(&*root).unwrap();
    // The system's longest path has 4095 bytes: room for the file and its lock, and none for the longer name of a copy.
    while directory.as_os_str().len() < 4064 {
        directory.push("d".repeat((4071 - directory.as_os_str().len()).min(200)));
    }
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("1.revoked"), "damaged").unwrap();
    let refused = RevocationFile::in_directory(&directory, Revocations::new());
    assert!(matches!(refused, Err(RevocationFileError::File { .. })));
    assert_eq!(fs::read(directory.join("1.revoked")).unwrap(), b"damaged");
}

#[test]
fn a_directory_that_goes_is_an_event_and_so_is_its_return() {
    let directory = Directory::new("dir-gone");
    let (here, gone) = (directory.join("here"), directory.join("gone"));
    let (seen, one) = (Seen::default(), join(&here));
    let sessions = sessions(one, &seen);
    fs::rename(&here, &gone).unwrap();
    eventually(|| matches!(seen.take()[..], [Event::RevocationStoreLost { .. }]));
    sessions.revoke(id(1));
    let events = seen.take();
    assert!(
        matches!(events[0], Event::RevocationFileNotWritten { .. }),
        "{events:?}"
    );
    fs::rename(&gone, &here).unwrap();
    eventually(|| seen.take() == [Event::RevocationStoreRecovered]);
    sessions.revoke(id(2));
    let list = read(&here.join("1.revoked"));
    assert!(list.is_revoked(id(1)) && list.is_revoked(id(2)));
}

// ---- kill -9

#[test]
#[ignore = "the program that the next test starts and kills"]
fn revokes_in_a_directory_until_it_is_killed() {
    if let Some(directory) = std::env::var_os("REVOCATION_DIRECTORY") {
        crate::revocation_file::revoke_for_ever(&join(Path::new(&directory)));
    }
}

#[cfg(unix)]
#[test]
fn killed_at_any_moment_processes_lose_nothing_that_they_told() {
    use crate::revocation_file::{Revoking, kills};

    let directory = Directory::new("dir-killed");
    let start = || {
        let test = "revocation_directory::revokes_in_a_directory_until_it_is_killed";
        Revoking::start(test, "REVOCATION_DIRECTORY", &directory)
    };
    let (seen, survivor) = (Seen::default(), join(&directory));
    let _sessions = sessions(survivor.clone(), &seen);
    let (mut told, kills) = (BTreeSet::new(), kills(20));
    let mut running = start();
    for kill in 0..kills {
        let next = start();
        told.extend(running.kill(kill % 2 == 1));
        running = next;
        // Beside the one that runs.
        let list = join(&directory);
        let lost: Vec<_> = told.iter().filter(|&&number| !list.is_revoked(id(number))).collect();
        assert!(lost.is_empty(), "after kill {kill}: {lost:?}");
    }
    told.extend(running.kill(true));
    println!("{kills} kills, {} ids told", told.len());
    assert!(told.len() >= kills as usize / 2);
    eventually(|| told.iter().all(|&number| survivor.is_revoked(id(number))));
    assert_eq!(seen.take(), []);
    // Each start takes the file of a process that is gone.
    let files = names(&directory).into_iter().filter(|name| name.ends_with(".revoked"));
    assert!(files.count() < kills as usize);
}
