//! `key` and `ring`.

use sealed_session::Key;

use super::*;

#[test]
fn a_new_key_is_one_that_the_library_reads() {
    let place = Place::new("key");
    let human = place.run_showing_secrets(&["key", "new"], "");
    let key = Key::parse(human.out.trim()).unwrap();
    let machine = place.run_showing_secrets(&["key", "new", "--json"], "").json();
    let other = Key::parse(machine["key"].as_str().unwrap()).unwrap();
    assert_eq!(machine["id"], other.id().to_string());
    assert_ne!(key.id(), other.id());
}

#[test]
fn a_new_ring_has_one_key_and_is_never_made_twice() {
    let place = Place::new("new");
    place.does("ring new ring.txt");
    let text = place.read("ring.txt");
    assert_eq!(KeyRing::parse(&text).unwrap().describe().len(), 1);
    #[cfg(unix)]
    assert_eq!(place.mode("ring.txt"), 0o600);
    place.refuses("ring new ring.txt", 1, "exists already");
    assert_eq!(place.read("ring.txt"), text);
}

#[test]
fn an_id_alone_is_printed_for_scripts() {
    let place = Place::new("id");
    place.does("ring new ring.txt");
    let first = place.does("ring show ring.txt --id").out;
    let added = place.does("ring add ring.txt --id").out;
    let ids = KeyRing::parse(&place.read("ring.txt")).unwrap();
    let ids: Vec<String> = ids.describe().iter().map(|key| format!("{}\n", key.id)).collect();
    assert_eq!([first.clone(), added.clone()], *ids);
    assert_eq!(place.does("ring show ring.txt --id").out, first, "the one that seals");
    place.does(&format!("ring seal ring.txt {added} --from 2026-11-25T00:00:00Z"));
    assert_eq!(place.does("ring show ring.txt --id").out, first);
    assert_eq!(
        place.does("ring show ring.txt --id --at 2026-11-25T00:00:00Z").out,
        added
    );
    // `--json` gives the whole answer, with `--id` or without.
    let json = place.does("ring add ring.txt --id --json").json();
    assert_eq!(json["keys"].as_array().unwrap().len(), 3);
    place.refuses("ring add nothing.txt --id", 3, "nothing.txt");
}

#[test]
fn changes_keep_comments_blank_lines_order_and_line_ends() {
    let place = Place::new("comments");
    let [second, third] = others();
    place.write(
        "ring.txt",
        &format!("# the shop's keys\r\n\r\n  seal {FIRST}  # May\r\n\nopen {third} ; open {second} # June"),
    );
    place.does("ring seal ring.txt 56f76705");
    let promoted =
        format!("# the shop's keys\r\n\r\n  seal {FIRST}  # May\r\n\nopen {third} ; seal {second} from={NOW} # June");
    assert_eq!(place.read("ring.txt"), promoted);
    let said = place.does("ring add ring.txt --json").json();
    let text = place.read("ring.txt");
    let added = text.strip_prefix(&format!("{promoted}\nopen ")).unwrap();
    assert_eq!(said["key"], Key::parse(added.trim()).unwrap().id().to_string());
    place.does(&format!(
        "ring retire ring.txt {} --force",
        said["key"].as_str().unwrap()
    ));
    assert_eq!(place.read("ring.txt"), format!("{promoted}\n"));
    place.does("ring retire ring.txt b303b300 --force");
    assert_eq!(
        place.read("ring.txt"),
        format!("# the shop's keys\r\n\r\n  seal {FIRST}  # May\r\n\n seal {second} from={NOW} # June\n")
    );
    place.does("ring retire ring.txt 9e4859a4 --at 2028-12-01T00:00:00Z");
    assert_eq!(
        place.read("ring.txt"),
        format!("# the shop's keys\r\n\r\n# May\r\n\n seal {second} # June\n"),
        "the successor seals from the beginning, the comment stays"
    );
}

#[test]
fn a_bare_key_becomes_an_entry_when_a_second_one_comes() {
    let place = Place::new("bare");
    place.write("ring.txt", &format!("{FIRST} # the only one\n"));
    let [second, _] = others();
    let said = place.run_with(&["ring", "add", "ring.txt", "--stdin"], &format!("{second}\n"));
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(
        place.read("ring.txt"),
        format!("seal {FIRST} # the only one\nopen {second}\n")
    );
    let again = place.run_with(&["ring", "add", "ring.txt", "--stdin"], &second);
    assert!(
        again.code == 1 && again.err.contains("56f76705 is in the ring already"),
        "{}",
        again.err
    );
    let typo = place.run_with(&["ring", "add", "ring.txt", "--stdin"], &second.replace("_56", "_57"));
    assert!(typo.code == 2 && typo.err.contains("mistyped"), "{}", typo.err);
    assert_eq!(
        place.read("ring.txt"),
        format!("seal {FIRST} # the only one\nopen {second}\n")
    );
}

#[test]
#[cfg(unix)]
fn a_change_replaces_the_file_as_a_whole_with_its_mode() {
    use std::os::unix::fs::MetadataExt as _;
    let place = Place::new("atomic");
    for mode in [0o600, 0o640, 0o400] {
        place.write("ring.txt", &format!("seal {FIRST}\n"));
        place.set_mode("ring.txt", mode);
        // A program that has the old file open reads the whole old ring.
        let _ = fs::remove_file(place.path("old.txt"));
        fs::hard_link(place.path("ring.txt"), place.path("old.txt")).unwrap();
        let said = place.does("ring add ring.txt");
        assert_eq!(place.read("old.txt"), format!("seal {FIRST}\n"));
        let [old, new] = ["old.txt", "ring.txt"].map(|file| fs::metadata(place.path(file)).unwrap());
        assert_ne!(old.ino(), new.ino());
        assert_eq!(
            (new.uid(), new.gid(), place.mode("ring.txt")),
            (old.uid(), old.gid(), mode)
        );
        assert_eq!(said.err.contains("chmod 600"), mode == 0o640, "{}", said.err);
        fs::remove_file(place.path("ring.txt")).unwrap();
    }
    assert_eq!(fs::read_dir(&place.0).unwrap().count(), 1, "nothing is left over");
}

#[test]
#[cfg(unix)]
fn a_symbolic_link_is_followed_and_a_kubernetes_volume_refused() {
    use std::os::unix::fs::symlink;
    let place = Place::new("links");
    for directory in ["real", "pod/..2026_11_24"] {
        fs::create_dir_all(place.path(directory)).unwrap();
        place.write(&format!("{directory}/ring"), &format!("seal {FIRST}\n"));
    }
    symlink("real/ring", place.path("link")).unwrap();
    place.does("ring add link");
    assert!(fs::symlink_metadata(place.path("link")).unwrap().is_symlink());
    assert_eq!(place.read("real/ring").lines().count(), 2);
    symlink("..2026_11_24", place.path("pod/..data")).unwrap();
    symlink("..data/ring", place.path("pod/ring")).unwrap();
    place.refuses("ring add pod/ring", 1, "Kubernetes");
    assert_eq!(place.read("pod/ring"), format!("seal {FIRST}\n"));
    place.does("ring show pod/ring");
}

#[test]
#[cfg(unix)]
fn a_change_waits_for_no_other_and_clears_up_after_one_that_was_killed() {
    let place = Place::new("lock");
    place.write("ring.txt", &format!("seal {FIRST}\n"));
    place.write(".ring.txt.new", "half a ri");
    // A file that another command is writing is locked by it.
    let other = fs::File::open(place.path(".ring.txt.new")).unwrap();
    other.lock().unwrap();
    place.refuses("ring add ring.txt", 1, "another command is changing ring.txt");
    assert_eq!(place.read("ring.txt"), format!("seal {FIRST}\n"));
    assert_eq!(place.read(".ring.txt.new"), "half a ri");
    // Unlocked, not only dropped: a child of another test may have inherited the lock until it runs its program.
    other.unlock().unwrap();
    place.does("ring add ring.txt");
    assert_eq!(place.read("ring.txt").lines().count(), 2);
    assert_eq!(fs::read_dir(&place.0).unwrap().count(), 1, "nothing is left over");
    // Another user's file of this name is neither written to nor read.
    place.write("elsewhere", "");
    place.set_mode("elsewhere", 0o666);
    std::os::unix::fs::symlink("elsewhere", place.path(".ring.txt.new")).unwrap();
    place.refuses("ring add ring.txt", 1, "another command");
    assert_eq!(
        (place.read("elsewhere"), place.read("ring.txt").lines().count()),
        (String::new(), 2)
    );
}

#[test]
#[cfg(unix)]
fn of_many_changes_at_once_none_is_lost() {
    let place = Place::new("many");
    place.write("ring.txt", &format!("seal {FIRST}\n"));
    let codes: Vec<i32> = std::thread::scope(|scope| {
        let adds: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| place.run("ring add ring.txt").code))
            .collect();
        adds.into_iter().map(|add| add.join().unwrap()).collect()
    });
    let done = codes.iter().filter(|&&code| code == 0).count();
    assert!(done > 0 && codes.iter().all(|&code| code <= 1), "{codes:?}");
    assert_eq!(
        KeyRing::parse(&place.read("ring.txt")).unwrap().describe().len(),
        1 + done
    );
    assert_eq!(fs::read_dir(&place.0).unwrap().count(), 1, "nothing is left over");
}

#[test]
#[cfg(unix)]
fn a_ring_that_cannot_be_written_leaves_nothing() {
    let place = Place::new("enospc");
    // A file may have 0 bytes here: as on a full disk, it can be created but not written.
    let script = format!(
        "trap '' XFSZ; ulimit -f 0; '{}' ring new ring.txt",
        env!("CARGO_BIN_EXE_tested-sealed-session")
    );
    let new = Command::new("bash")
        .args(["-c", &script])
        .current_dir(&place.0)
        .output()
        .unwrap();
    assert_eq!(new.status.code(), Some(3), "{}", String::from_utf8_lossy(&new.stderr));
    assert!(!place.path("ring.txt").exists());
    place.does("ring new ring.txt");
}

#[test]
fn what_is_removed_by_force_is_kept_beside_the_ring() {
    let place = Place::new("force");
    let [second, _] = others();
    let ring = format!("seal {FIRST}\nopen {second}\n");
    for _ in 0..2 {
        place.write("ring.txt", &ring);
        place.refuses("ring retire ring.txt 56f76705 --force", 0, "ring.txt.with-56f76705");
        assert_eq!(place.read("ring.txt"), format!("seal {FIRST}\n"));
        assert_eq!(place.read("ring.txt.with-56f76705"), ring);
        #[cfg(unix)]
        assert_eq!(place.mode("ring.txt.with-56f76705"), 0o600);
    }
}

#[test]
fn a_broken_ring_is_refused_and_left_alone() {
    let place = Place::new("broken");
    let file = vectors();
    let mut tried = 0;
    for row in file["rings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["ok"] == false)
    {
        let text = row["text"].as_str().unwrap();
        place.write("ring.txt", text);
        let commands = [
            "ring show ring.txt",
            "ring add ring.txt",
            "ring seal ring.txt 56f76705",
            "ring retire ring.txt 9e4859a4 --force",
            "rehearse ring.txt --previous ring.txt",
            "edge-keys ring.txt",
        ];
        for command in commands {
            place.refuses(command, 2, "ring.txt: ");
            assert_eq!(place.read("ring.txt"), text, "{command}");
        }
        assert_eq!(fs::read_dir(&place.0).unwrap().count(), 1, "nothing is left over");
        tried += 1;
    }
    assert!(tried > 10);
}

#[test]
fn a_key_seals_at_once_or_from_a_later_time() {
    let place = Place::new("seal");
    let [second, third] = others();
    place.write("ring.txt", &format!("seal {FIRST}\nopen {second}\nopen {third}\n"));
    place.refuses("ring seal ring.txt 56f76705 --from 2026-11-24T00:00:00Z", 2, "past");
    place.refuses("ring seal ring.txt 9e4859a4", 1, "seals already");
    // This machine's clock may be wrong, so the answer names the time.
    place.refuses(
        "ring seal ring.txt 56f76705",
        0,
        "it seals from 2026-11-24T00:00:00Z, which is now by",
    );
    place.does("ring seal ring.txt 56f76705 --at 2026-11-28T00:00:00Z");
    assert_eq!(
        place.read("ring.txt"),
        format!("seal {FIRST}\nseal {second} from=2026-11-28T00:00:00Z\nopen {third}\n"),
        "again, for a deploy that was put off"
    );
    place.refuses(
        "ring seal ring.txt 00000000",
        1,
        "the ring has no key 00000000; it has 9e4859a4",
    );
    place.refuses("ring seal ring.txt 56F76705", 2, "8 lower-case hexadecimal digits");
    place.does("ring seal ring.txt 56f76705 --from 2026-12-01T00:00:00Z");
    let said = place.does("ring show ring.txt --json").json();
    assert_eq!(said["sealing_key"], "9e4859a4");
    assert_eq!(said["keys"][0]["seals_until"], "2026-12-01T00:00:00Z");
    let later = place.does("ring show ring.txt --json --at 2026-12-01T00:00:00Z").json();
    assert_eq!(later["sealing_key"], "56f76705");
    // Back to the first one, after the second took over: exactly one entry has no time.
    place.does("ring seal ring.txt 9e4859a4 --at 2026-12-02T00:00:00Z");
    assert_eq!(
        place.read("ring.txt"),
        format!("seal {FIRST} from=2026-12-02T00:00:00Z\nseal {second}\nopen {third}\n")
    );
}

#[test]
fn a_key_is_retired_when_its_last_token_has_expired_and_not_before() {
    let place = Place::new("retire");
    let [second, third] = others();
    let rotated = format!("seal {FIRST}\nseal {second} from=2026-12-01T00:00:00Z\nopen {third}\n");
    place.write("ring.txt", &rotated);
    place.refuses("ring retire ring.txt 9e4859a4 --force", 1, "seals now");
    for (options, may_go) in [
        // 400 days, a day for the deploy, 5 minutes until it begins, 10 for clocks
        ("", "2028-01-06T00:15:00Z"),
        ("--longest 12h", "2026-12-02T12:15:00Z"),
        ("--longest 12h --deploy 1h", "2026-12-01T13:15:00Z"),
    ] {
        let just_before = instant(may_go) - time::Duration::SECOND;
        let just_before = just_before.format(&Rfc3339).unwrap();
        let words = format!("ring retire ring.txt 9e4859a4 {options}");
        place.refuses(&format!("{words} --at {just_before}"), 1, may_go);
        let said = place.run(&format!("{words} --json --at {just_before}"));
        let error: Value = serde_json::from_str(&said.err).unwrap();
        assert_eq!(
            (&error["may_go"], &error["code"], &*said.out),
            (&may_go.into(), &1.into(), "")
        );
        assert_eq!(place.read("ring.txt"), rotated);
        place.refuses(&words, 1, may_go);
        place.does(&format!("{words} --at {may_go}"));
        assert_eq!(place.read("ring.txt"), format!("seal {second}\nopen {third}\n"));
        place.write("ring.txt", &rotated);
    }
    place.refuses("ring retire ring.txt 56f76705", 1, "will seal");
    place.refuses(
        "ring retire ring.txt b303b300 --at 2099-01-01T00:00:00Z",
        1,
        "--sealed-until",
    );
    let words = "ring retire ring.txt b303b300 --longest 12h --sealed-until 2026-11-01T00:00:00Z";
    place.refuses(&format!("{words} --at 2026-11-01T12:09:59Z"), 1, "2026-11-01T12:10:00Z");
    place.does(words);
    assert_eq!(place.read("ring.txt").lines().count(), 2);
}
