//! Revocations that survive restarts, kills, second processes and damaged files.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};
#[cfg(unix)]
use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread::JoinHandle,
};

use sealed_session::revocation::{Revocation, RevocationFile, RevocationFileError, RevocationList, Revocations};
use sealed_session::{Event, RequestFields, SessionId, SessionState, Sessions};
use time::OffsetDateTime;

use testkit::{Seen, ring};

/// The directory of one test, with its file of revocations.
struct Directory(testkit::Directory);

impl Directory {
    fn new(test: &str) -> Self {
        Self(testkit::Directory::new(test))
    }

    fn file(&self) -> PathBuf {
        self.0.join("web.1.revoked")
    }

    fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

fn open(path: &Path) -> RevocationFile {
    open_released(path, Revocations::new()).unwrap()
}

/// A process that another test starts has the locks of this process until it runs its own program. So a lock that was
/// released may be held a moment longer.
fn open_released(path: &Path, list: Revocations) -> Result<RevocationFile, RevocationFileError> {
    let mut opened = RevocationFile::open(path, list.clone());
    eventually(|| {
        if let Err(RevocationFileError::InUse { .. }) = opened {
            opened = RevocationFile::open(path, list.clone());
        }
        !matches!(opened, Err(RevocationFileError::InUse { .. }))
    });
    opened
}

#[track_caller]
pub(crate) fn eventually(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "not in a minute");
        thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn id(number: u64) -> SessionId {
    SessionId::from_bytes(number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes())
}

/// Revokes for an hour.
pub(crate) fn revoke(list: &impl RevocationList, number: u64) {
    list.revoke_at(
        Revocation {
            id: id(number),
            until: now() + Duration::from_secs(3600),
        },
        now(),
    );
}

/// The list that another process finds in the file.
pub(crate) fn read(path: &Path) -> Revocations {
    let list = Revocations::new();
    list.merge_file_at(&fs::read(path).unwrap(), now()).unwrap();
    list
}

pub(crate) fn sessions(list: impl RevocationList + 'static, seen: &Seen) -> Sessions<u32> {
    let builder = Sessions::builder(ring()).revocation_list(list);
    builder.observer(seen.observer()).build().unwrap()
}

#[test]
fn a_sign_out_and_a_cut_off_are_in_the_file_when_the_call_returns_and_survive_a_restart() {
    let directory = Directory::new("restart");
    let seen = Seen::default();
    let first = sessions(open(&directory.file()), &seen);
    let cookie = first.cookie_for_at(7, now()).unwrap();
    let other = first.cookie_for_at(8, now() - Duration::from_secs(60)).unwrap();
    let load = |sessions: &Sessions<u32>, cookie: &String| sessions.load(RequestFields::from_cookies([cookie.clone()]));
    let mut session = load(&first, &cookie);
    let id = session.id().unwrap();
    session.end().unwrap();
    assert!(read(&directory.file()).is_revoked(id));
    assert_eq!(read(&directory.file()).cut_off(), None);
    first.raise_cut_off(now() - Duration::from_secs(30));
    assert!(read(&directory.file()).cut_off().is_some());

    drop((first, session));
    let second = sessions(open(&directory.file()), &seen);
    for cookie in [&cookie, &other] {
        assert!(matches!(load(&second, cookie).state(), SessionState::Rejected(_)));
    }
    assert_eq!(
        directory.names(),
        ["web.1.revoked", "web.1.revoked.lock"].map(str::to_owned).into()
    );
}

#[test]
fn a_second_opening_is_refused_until_the_first_has_gone() {
    let directory = Directory::new("second");
    let file = open(&directory.file());
    let path = directory.file();
    let refused = RevocationFile::open(&path, Revocations::new()).unwrap_err();
    assert!(
        matches!(&refused, RevocationFileError::InUse { path: of } if *of == path),
        "{refused}"
    );
    let handle = file.clone();
    drop(file);
    assert!(RevocationFile::open(&path, Revocations::new()).is_err());
    drop(handle);
    open(&path);
    assert!(matches!(
        RevocationFile::open(directory.0.join("none/revoked"), Revocations::new()),
        Err(RevocationFileError::File { .. })
    ));
}

#[test]
fn a_damaged_file_is_refused_and_stays_as_it_is() {
    let directory = Directory::new("damaged");
    let path = directory.file();
    for damaged in damaged_files(&path) {
        fs::write(&path, &damaged).unwrap();
        let list = Revocations::new();
        let refused = open_released(&path, list.clone()).unwrap_err();
        assert!(matches!(refused, RevocationFileError::Unreadable { .. }), "{refused}");
        assert_eq!((fs::read(&path).unwrap(), list.len()), (damaged, 0));
    }
}

#[test]
fn what_cannot_be_read_is_refused_before_anything_is_written() {
    let directory = Directory::new("unread");
    fs::create_dir(directory.file()).unwrap();
    let refused = RevocationFile::open(directory.file(), Revocations::new()).unwrap_err();
    assert!(matches!(refused, RevocationFileError::File { .. }), "{refused}");
    assert_eq!(
        directory.names(),
        ["web.1.revoked", "web.1.revoked.lock"].map(str::to_owned).into()
    );
}

/// Contents without entries, and one that has 1 and 2 before the damage.
pub(crate) fn damaged_files(path: &Path) -> [Vec<u8>; 3] {
    {
        let file = open(path);
        revoke(&file, 1);
        revoke(&file, 2);
    }
    let good = fs::read(path).unwrap();
    [
        b"<html>".to_vec(),
        // A write without `sync` leaves this after a power cut.
        Vec::new(),
        [&good[..], b"SSRL\x02more than a head"].concat(),
    ]
}

#[test]
fn deltas_follow_the_snapshot_until_they_are_as_long_as_it() {
    let directory = Directory::new("growth");
    let (path, list) = (directory.file(), Revocations::new());
    let file = RevocationFile::open(&path, list.clone()).unwrap();
    let length = || fs::metadata(&path).unwrap().len();
    let add = |numbers: std::ops::Range<u64>| {
        // A change of the list itself, such as a merge, is written by a flush.
        numbers.for_each(|number| revoke(&list, number));
        file.flush().unwrap();
        assert_eq!(read(&path).snapshot_at(now()), list.snapshot_at(now()));
    };
    add(0..3000);
    assert_eq!(length(), 17 + 17 + 3000 * 12, "an empty snapshot and a delta");
    add(3000..3001);
    assert_eq!(length(), 17 + 17 + 3000 * 12 + 17 + 12);
    file.flush().unwrap();
    assert_eq!(length(), 17 + 17 + 3000 * 12 + 17 + 12, "nothing was new");
    add(3001..5445);
    (5445..5450).for_each(|number| add(number..number + 1));
    assert_eq!(length(), 17 + 65_536, "eight deltas of 64 KiB");
    add(5450..6000);
    assert_eq!(length(), 17 + 6000 * 12, "a snapshot");
    add(6000..11_990);
    assert_eq!(length(), 17 + 6000 * 12 + 17 + 5990 * 12);
    add(11_990..12_000);
    assert_eq!(length(), 17 + 12_000 * 12);
    // More entries than the list keeps in its log.
    add(12_000..80_000);
    assert_eq!(length(), 17 + 80_000 * 12);
}

#[test]
fn a_failed_write_is_reported_and_made_up_for_by_the_next() {
    let directory = Directory::new("failing");
    let (path, seen) = (directory.file(), Seen::default());
    let file = open(&path);
    let sessions = sessions(file.clone(), &seen);
    // The file is removed, and no new one can be written: a directory has its name.
    let obstacle = directory.0.join("web.1.revoked.new");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&obstacle).unwrap();
    sessions.revoke(id(1));
    assert!(file.is_revoked(id(1)));
    let events = seen.take();
    assert!(
        matches!(
            &events[..],
            // Why the obstacle stays, and not that it is there.
            [Event::RevocationFileNotWritten { path: told, kind }, Event::Revoked { .. }]
                if *told == path && *kind != io::ErrorKind::AlreadyExists
        ),
        "{events:?}"
    );
    assert!(file.flush().is_err());
    sessions.raise_cut_off(now());
    assert!(matches!(seen.take()[0], Event::RevocationFileNotWritten { .. }));
    fs::remove_dir(&obstacle).unwrap();
    sessions.revoke(id(2));
    assert_eq!(seen.take(), [Event::Revoked { id: id(2) }]);
    let list = read(&path);
    assert!(list.is_revoked(id(1)) && list.is_revoked(id(2)) && list.cut_off().is_some());
}

#[test]
fn a_file_that_was_replaced_meanwhile_is_written_anew() {
    let directory = Directory::new("replaced");
    let path = directory.file();
    let file = open(&path);
    revoke(&file, 1);
    let something_else = |_: &Path| b"something else".to_vec();
    let of_the_same_length = |path: &Path| fs::read(path).unwrap();
    let others: [fn(&Path) -> Vec<u8>; 2] = [something_else, of_the_same_length];
    for (number, other) in (2..).zip(others) {
        fs::write(directory.0.join("other"), other(&path)).unwrap();
        fs::rename(directory.0.join("other"), &path).unwrap();
        revoke(&file, number);
        let list = read(&path);
        assert!((1..=number).all(|number| list.is_revoked(id(number))));
    }
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link_and_a_mode_stays_a_mode() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let directory = Directory::new("link");
    let (shared, path) = (directory.0.join("shared"), directory.file());
    symlink("shared", &path).unwrap();
    // First a link to a file that does not exist yet.
    for number in 1..=2 {
        let file = open(&path);
        revoke(&file, number);
        let again = RevocationFile::open(&shared, Revocations::new()).unwrap_err();
        assert!(matches!(again, RevocationFileError::InUse { .. }), "by whatever name");
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert!((1..=number).all(|number| read(&shared).is_revoked(id(number))));
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o600)).unwrap();
    }
    // A file that a killed process left is not written to.
    symlink("elsewhere", directory.0.join("shared.new")).unwrap();
    open(&path);
    assert_eq!(fs::metadata(&shared).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!directory.0.join("elsewhere").exists());
    // A link to itself.
    symlink("circle", directory.0.join("circle")).unwrap();
    let refused = RevocationFile::open(directory.0.join("circle"), Revocations::new()).unwrap_err();
    assert!(matches!(refused, RevocationFileError::File { .. }), "{refused}");
}

// ---- kill -9

/// Eight threads revoke without a pause, and print each id when `revoke` has returned.
#[test]
#[ignore = "the program that the next test starts and kills"]
fn revokes_until_it_is_killed() {
    let Some(path) = std::env::var_os("REVOCATION_FILE") else {
        return;
    };
    revoke_for_ever(&open(Path::new(&path)));
}

pub(crate) fn revoke_for_ever(file: &RevocationFile) {
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let number = getrandom::u64().unwrap();
                    revoke(file, number);
                    println!("revoked {number}");
                }
            });
        }
    });
}

/// A process that revokes, and what it has told.
#[cfg(unix)]
pub(crate) struct Revoking {
    child: Child,
    first: Receiver<()>,
    reading: JoinHandle<Vec<u64>>,
}

#[cfg(unix)]
impl Revoking {
    /// Starts an ignored test of this program, which finds the path in a variable.
    pub(crate) fn start(test: &str, variable: &str, path: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env(variable, path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let (tell, first) = mpsc::channel();
        let reading = thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            let numbers = lines.filter_map(|line| line.strip_prefix("revoked ").map(|number| number.parse::<u64>()));
            // A line may be cut off, and nobody may wait for the first one any more.
            let numbers = numbers.map_while(Result::ok).inspect(|_| _ = tell.send(()));
            numbers.collect()
        });
        Self { child, first, reading }
    }

    /// `kill -9` at any moment from before it opens the file; `later`: after its first revocation. Returns all
    /// revocations that it told.
    pub(crate) fn kill(mut self, later: bool) -> Vec<u64> {
        if later {
            self.first.recv().unwrap();
        }
        thread::sleep(Duration::from_micros(u64::from(getrandom::u32().unwrap() % 100_000)));
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reading.join().unwrap()
    }
}

/// `REVOCATION_FILE_KILLS=1000 cargo test --release --test library killed` kills it more often.
#[cfg(unix)]
pub(crate) fn kills(default: u32) -> u32 {
    std::env::var("REVOCATION_FILE_KILLS").map_or(default, |kills| kills.parse().unwrap())
}

#[test]
#[cfg(unix)]
fn killed_at_any_moment_the_file_reads_and_has_all_that_was_revoked() {
    let directory = Directory::new("killed");
    let path = directory.file();
    let (mut told, mut rewriting, kills) = (BTreeSet::new(), 0, kills(40));
    for kill in 0..kills {
        let revoking = Revoking::start("revocation_file::revokes_until_it_is_killed", "REVOCATION_FILE", &path);
        // On a busy machine most processes would be killed before they revoke anything.
        told.extend(revoking.kill(kill % 2 == 1));
        if !path.exists() {
            assert!(told.is_empty());
            continue;
        }
        let list = read(&path);
        let lost: Vec<_> = told.iter().filter(|&&number| !list.is_revoked(id(number))).collect();
        assert!(lost.is_empty(), "after kill {kill}: {lost:?}");
        rewriting += u32::from(directory.names().contains("web.1.revoked.new"));
    }
    println!(
        "{kills} kills, {rewriting} while it was rewritten; {} ids told",
        told.len()
    );
    assert!(told.len() >= kills as usize / 2);
}
