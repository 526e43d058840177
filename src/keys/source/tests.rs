//! Tests of `source.rs`.

use std::sync::Barrier;
use std::thread;

use super::*;

fn written() -> String {
    let key = Key::from_raw_secret(&std::array::from_fn::<u8, 32, _>(|at| at as u8 ^ 0xa0)).unwrap();
    key.write_with_secret().expose().to_owned()
}

/// A directory of one test, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sealed-session-keys-{test}-{}", std::process::id()));
        _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("keys.txt")
    }

    /// The names of what is in it.
    fn names(&self) -> Vec<OsString> {
        let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// The kind of the operating system's error with which the ring is refused.
#[track_caller]
fn not_read(ring: Result<KeyRing, KeyError>) -> io::ErrorKind {
    match ring {
        Err(KeyError::File { source, .. }) => source.kind(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_ring_comes_from_a_file() {
    let directory = Directory::new("file");
    let path = directory.path();
    fs::write(&path, format!("# ring\nseal {}\n", written())).unwrap();
    assert_eq!(KeyRing::from_file(&path).unwrap().describe().len(), 1);
    fs::write(&path, vec![b' '; LARGEST_FILE + 1]).unwrap();
    assert_eq!(not_read(KeyRing::from_file(&path)), io::ErrorKind::FileTooLarge);
    let ring = format!("seal {}\n", written());
    let padding = "#".repeat(LARGEST_FILE - ring.len());
    fs::write(&path, ring + &padding).unwrap();
    assert_eq!(KeyRing::from_file(&path).unwrap().describe().len(), 1);
    fs::write(&path, b"\xff").unwrap();
    assert_eq!(not_read(KeyRing::from_file(&path)), io::ErrorKind::InvalidData);
    fs::remove_file(&path).unwrap();
    assert_eq!(not_read(KeyRing::from_file(&path)), io::ErrorKind::NotFound);
    let missing = KeyRing::from_file(&path).unwrap_err();
    assert!(missing.to_string().contains(&*path.to_string_lossy()), "{missing}");
    assert!(!path.exists(), "only `from_file_or_new` makes it");
}

#[test]
fn what_is_wrong_in_a_file_or_variable_says_in_which() {
    let directory = Directory::new("place");
    let path = directory.path();
    fs::write(&path, format!("seal {}\nsael x", written())).unwrap();
    for ring in [KeyRing::from_file(&path), KeyRing::from_file_or_new(&path)] {
        let wrong = ring.unwrap_err();
        let start = format!("the key file {}: entry 2 of the key ring: ", path.display());
        assert!(wrong.to_string().starts_with(&start), "{wrong}");
    }
    // Cargo sets this variable. It is no ring, and its content is not shown.
    let wrong = KeyRing::from_env("CARGO_PKG_NAME").unwrap_err().to_string();
    let start = "the environment variable CARGO_PKG_NAME: entry 1 of the key ring: ";
    assert!(wrong.starts_with(start) && !wrong.contains("sealed-session"), "{wrong}");
    let missing = KeyRing::from_env("SEALED_SESSION_NO_SUCH_VARIABLE").unwrap_err();
    let start = "the environment variable SEALED_SESSION_NO_SUCH_VARIABLE is not set; ";
    assert!(missing.to_string().starts_with(start), "{missing}");
}

#[test]
fn a_ring_that_is_given_for_a_path_is_not_shown() {
    // Also in base64, as in a manifest: with a slash and without.
    for secret in [
        written(),
        "c2VhbCBzZWFsZWQxXzllNDg1OWE0XzRiOTlmYjc4ODdlOTVkNWRjYWMwODQy".to_owned(),
        "S5n7eIfpXV3KwIQuTMoh8OSMxqH3w/7dhGeNCz/A/4E=".to_owned(),
    ] {
        let wrong = KeyRing::from_file(&secret).unwrap_err();
        assert!(matches!(wrong, KeyError::File { .. }));
        assert!(!format!("{wrong} {wrong:?}").contains(&secret[20..]), "{wrong}");
    }
    for path in [
        "/run/secrets/9e4859a4b303b30056f76705/keys",
        "no-such-directory/ring.txt",
        "keys",
    ] {
        let missing = KeyRing::from_file(path).unwrap_err().to_string();
        assert!(missing.contains(path), "{missing}");
    }
}

#[test]
fn names_are_shown_up_to_the_length_of_a_secret() {
    let missing = |length| KeyRing::from_env(&"V".repeat(length)).unwrap_err().to_string();
    assert!(missing(64).contains(&"V".repeat(64)));
    assert!(missing(65).contains("(not a variable's name)"));
    let unread = |path: &Path| KeyRing::from_file(path).unwrap_err().to_string();
    let directory = std::env::temp_dir();
    for name in ["x".repeat(39), "x".repeat(40) + ".txt"] {
        assert!(unread(&directory.join(&name)).contains(&name));
    }
    assert!(unread(&directory.join("x".repeat(40))).contains("(not the path of a file)"));
    // In a directory that is not there, a short path and a name with a point are shown.
    for (path, is_shown) in [
        ("no-such-directory/".to_owned() + &"x".repeat(21), true),
        ("no-such-directory/".to_owned() + &"x".repeat(22), false),
        ("no-such-directory/".to_owned() + &"x".repeat(30) + ".txt", true),
    ] {
        assert_eq!(unread(Path::new(&path)).contains(&path), is_shown, "{path}");
    }
}

#[test]
fn a_secret_that_is_given_for_the_name_of_a_variable_is_not_shown() {
    for secret in [&written(), "S5n7eIfpXV3KwIQuTMoh8OSMxqH3w/7dhGeNCz/A/4E"] {
        let wrong = KeyRing::from_env(secret).unwrap_err();
        assert!(!format!("{wrong} {wrong:?}").contains(&secret[20..]), "{wrong}");
    }
}

#[test]
fn no_file_is_named_after_a_key() {
    let directory = Directory::new("named");
    let secret = written();
    let ring = format!("seal {secret}");
    let base64 = "nO2qk1vQmJ0c4n3pB7xG5d8sTtYwZr6uLh9fVe2aKiM";
    for path in [secret.as_str(), &ring, base64].map(|name| directory.0.join(name)) {
        let wrong = KeyRing::from_file_or_new(path).unwrap_err();
        assert!(matches!(wrong, KeyError::KeyForPath), "{wrong}");
        assert!(!format!("{wrong} {wrong:?}").contains(&secret[20..]), "{wrong}");
    }
    assert!(directory.names().is_empty());
}

#[test]
fn what_is_no_regular_file_is_refused_unopened() {
    let path = std::env::temp_dir();
    for ring in [KeyRing::from_file(&path), KeyRing::from_file_or_new(&path)] {
        assert!(matches!(ring, Err(KeyError::NotAFile { path: of }) if of == path));
    }
}

#[test]
fn the_first_start_makes_the_file_and_the_next_one_reads_it() {
    let directory = Directory::new("first");
    let path = directory.path();
    let first = KeyRing::from_file_or_new(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("# "));
    assert_eq!(lines.next(), first.write_with_secrets().expose().lines().next());
    assert_eq!(lines.next(), None);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    }
    assert_eq!(directory.names(), ["keys.txt"], "and nothing else is left");
    let next = KeyRing::from_file_or_new(&path).unwrap();
    assert_eq!(next.write_with_secrets().expose(), first.write_with_secrets().expose());
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn the_ring_knows_that_its_file_was_made_and_tells_once() {
    let directory = Directory::new("tells");
    let path = directory.path();
    let made = KeyRing::from_file_or_new(&path).unwrap();
    let id = made.describe()[0].id;
    let changed = made.also_opening(Key::generate().unwrap()).unwrap();
    assert_eq!(changed.take_made(), Some((&*path, id)), "a ring made of it knows too");
    assert_eq!(changed.take_made(), None);
    assert_eq!(made.take_made(), None);
    assert_eq!(
        KeyRing::from_file_or_new(&path).unwrap().take_made(),
        None,
        "it was there"
    );
}

#[test]
fn what_starts_at_once_ends_up_with_one_key() {
    let directory = Directory::new("race");
    for round in 0..50 {
        let path = directory.0.join(format!("{round}.txt"));
        let barrier = Barrier::new(8);
        let start = || {
            barrier.wait();
            let ring = KeyRing::from_file_or_new(&path).unwrap();
            (ring.describe()[0].id, ring.take_made().is_some())
        };
        let started: Vec<_> = thread::scope(|scope| {
            let threads = [(); 8].map(|()| scope.spawn(start));
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let id = KeyRing::from_file(&path).unwrap().describe()[0].id;
        assert!(started.iter().all(|&(of, _)| of == id), "{started:?}");
        assert_eq!(
            started.iter().filter(|&&(_, made)| made).count(),
            1,
            "one of them made it"
        );
    }
    assert_eq!(directory.names().len(), 50, "and nothing else is left");
}

#[test]
fn a_file_that_is_there_is_left_as_it_is() {
    let directory = Directory::new("there");
    let path = directory.path();
    let cut = &written()[..50];
    for (text, says) in [
        ("", "has no key in it"),
        ("# only a comment\n", "has no key in it"),
        (cut, "entry 1"),
    ] {
        fs::write(&path, text).unwrap();
        let refused = KeyRing::from_file_or_new(&path).unwrap_err();
        assert!(matches!(refused, KeyError::InFile { .. }));
        let shown = refused.to_string();
        assert!(
            shown.contains(says) && shown.contains(&*path.to_string_lossy()),
            "{shown}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(directory.names(), ["keys.txt"]);
    }
}

#[cfg(unix)]
#[test]
fn a_link_is_followed_and_one_that_leads_nowhere_is_left() {
    use std::os::unix::fs::symlink;
    let directory = Directory::new("link");
    let (path, target) = (directory.path(), directory.0.join("target.txt"));
    symlink(&target, &path).unwrap();
    let refused = KeyRing::from_file_or_new(&path).unwrap_err();
    assert!(matches!(refused, KeyError::FileNotMade { .. }));
    assert!(refused.to_string().contains("leads to no file"), "{refused}");
    assert_eq!(
        (fs::read_link(&path).unwrap(), target.exists()),
        (target.clone(), false)
    );
    assert_eq!(directory.names(), ["keys.txt"]);
    fs::write(&target, written()).unwrap();
    assert_eq!(KeyRing::from_file_or_new(&path).unwrap().describe().len(), 1);
}

#[track_caller]
fn not_made(path: &Path) -> io::ErrorKind {
    match KeyRing::from_file_or_new(path) {
        Err(KeyError::FileNotMade { path: of, source }) => {
            assert_eq!(of, path);
            source.kind()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_its_directory_no_file_is_made() {
    let directory = Directory::new("no-directory");
    let path = directory.0.join("missing/keys.txt");
    assert_eq!(not_made(&path), io::ErrorKind::NotFound);
    assert!(directory.names().is_empty());
    fs::create_dir(directory.0.join("missing")).unwrap();
    assert!(KeyRing::from_file_or_new(&path).is_ok(), "it is what was missing");
}

#[cfg(target_os = "linux")]
#[test]
fn in_a_directory_that_may_not_be_written_no_file_is_made() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = Directory::new("read-only");
    fs::set_permissions(&directory.0, fs::Permissions::from_mode(0o500)).unwrap();
    // The superuser may write there, but not into `/sys`.
    let may_write = fs::write(directory.0.join("try"), "").is_ok();
    let path = if may_write {
        "/sys/keys.txt".into()
    } else {
        directory.path()
    };
    let kind = not_made(&path);
    let is_expected = matches!(
        kind,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    );
    assert!(is_expected && !path.exists(), "{kind:?}");
}

/// A process that was killed before the link has left a key under a temporary name.
#[test]
fn a_file_that_a_crash_left_disturbs_no_later_start() {
    let directory = Directory::new("crash");
    let left = directory.0.join(".keys.txt.9e4859a4.new");
    fs::write(&left, &written()[..50]).unwrap();
    let ring = KeyRing::from_file_or_new(directory.path()).unwrap();
    assert_eq!(
        KeyRing::from_file(directory.path()).unwrap().describe(),
        ring.describe()
    );
    assert_eq!(directory.names(), [".keys.txt.9e4859a4.new", "keys.txt"]);
    assert_eq!(fs::read_to_string(left).unwrap(), written()[..50]);
}
