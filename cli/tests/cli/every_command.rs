//! What holds for every command: output for machines, exit codes, secrets, and the examples that people copy.

use super::*;

#[test]
fn for_machines_every_line_is_an_object() {
    let place = Place::new("machines");
    place.write("ring.txt", FIRST);
    place.set_mode("ring.txt", 0o644);
    for (words, code) in [
        ("ring show ring.txt", 0),
        ("ring show missing.txt", 3),
        ("ring retire ring.txt 9e4859a4", 1),
        ("ring sho ring.txt", 2),
        ("ring show ring.txt --at yesterday", 2),
        ("ring", 2),
        ("inspect", 1),
        ("rehearse ring.txt --previous ring.txt", 0),
    ] {
        let said = place.run(&format!("{words} --json"));
        assert_eq!(said.code, code, "{words}: {}", said.err);
        let lines: Vec<Value> = [&said.out, &said.err]
            .iter()
            .flat_map(|text| text.lines())
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{words}: {error}: {line}")))
            .collect();
        assert!(lines.iter().all(|line| line["schema"] == 1), "{lines:?}");
        assert_eq!(said.out.is_empty(), lines.iter().any(|line| line["error"].is_string()));
        let codes: Vec<_> = lines.iter().filter_map(|line| line["code"].as_i64()).collect();
        assert!(codes.iter().all(|&said| said == i64::from(code)), "{codes:?}");
        #[cfg(unix)]
        assert_eq!(
            words.contains(" ring.txt") && code < 2,
            lines.iter().any(|line| line["warning"].is_string()),
            "{words}: {lines:?}"
        );
    }
    let said = place.run("ring show nothing.txt ring.txt --json");
    let error: Value = serde_json::from_str(&said.err).unwrap();
    assert!(
        error["error"].as_str().unwrap().starts_with("unexpected argument"),
        "{error}"
    );
    assert_eq!(place.run_with(&["inspect", "--json"], "a=b").json()["at"], NOW);
    let key = place.run_showing_secrets(&["key", "new", "--json"], "").json();
    assert_eq!(key["schema"], 1);
}

#[test]
fn control_characters_are_escaped() {
    let place = Place::new("terminal");
    let said = place.run_with(
        &["inspect"],
        "Cookie: \u{1b}[31mevil=1; \u{9b}2Jworse=2; \u{202e}live=3",
    );
    assert!(
        said.out
            .contains("Cookies: \\u001b[31mevil, \\u009b2Jworse, \\u202elive"),
        "{}",
        said.out
    );
    let said = place.run_with(&["inspect", "--json"], "\u{1b}a=1; \u{9b}b=2").json();
    assert_eq!(said["cookies"], serde_json::json!(["\u{1b}a", "\u{9b}b"]));
    let said = place.run_with(&["ring", "show", "\u{1b}[31m.txt"], "");
    assert!(said.err.contains("\\u001b[31m.txt cannot be read"), "{}", said.err);
}

#[test]
#[cfg(unix)]
fn a_secret_that_goes_to_a_file_open_to_others_is_a_warning() {
    let place = Place::new("umask");
    place.write("ring.txt", FIRST);
    for (command, file) in [("key new", "key.txt"), ("edge-keys ring.txt --open", "edge.json")] {
        for (umask, is_warned) in [("022", true), ("077", false)] {
            let _ = fs::remove_file(place.path(file));
            let script = format!(
                "umask {umask}; '{}' {command} > {file}",
                env!("CARGO_BIN_EXE_tested-sealed-session")
            );
            let output = Command::new("bash")
                .args(["-c", &script])
                .current_dir(&place.0)
                .output()
                .unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(
                error.contains("open to its group or to others (mode 644)"),
                is_warned,
                "{error}"
            );
            assert!(output.status.success() && !place.read(file).is_empty());
        }
    }
    place.refuses("ring show ring.txt", 0, "seals");
}

#[test]
fn a_ring_that_an_editor_spoiled_is_named() {
    let place = Place::new("editor");
    place.write("ring.txt", &format!("\u{feff}seal {FIRST}\n"));
    place.refuses("ring show ring.txt", 2, "byte order mark");
    let wide: Vec<u8> = FIRST.encode_utf16().flat_map(u16::to_le_bytes).chain([0xff]).collect();
    fs::write(place.path("ring.txt"), wide).unwrap();
    place.refuses("ring show ring.txt", 2, "ring.txt is no text; save it as UTF-8");
    // A bind file is never cut short.
    fs::write(place.path("large"), vec![0; (1 << 20) + 1]).unwrap();
    place.write("ring.txt", FIRST);
    let said = place.run_with(
        &["inspect", "--ring", "ring.txt", "--bind-file", "large"],
        "__Host-id=&&&",
    );
    assert!(
        said.code == 2 && said.err.contains("large has more than"),
        "{}",
        said.err
    );
}

#[test]
fn secrets_among_the_arguments_are_refused_without_being_repeated() {
    let place = Place::new("arguments");
    let [session, activity] = signed_in(&place);
    for secret in [
        FIRST,
        &session,
        &activity,
        session.split_once('=').unwrap().1,
        &format!("Cookie: {session}"),
    ] {
        for command in [
            vec!["ring", "add", "ring.txt"],
            vec!["inspect"],
            vec!["ring", "seal", "ring.txt"],
            vec![],
        ] {
            let said = place.run_with(&[&command[..], &[secret]].concat(), "");
            assert_eq!(said.code, 2, "{}", said.err);
            assert!(said.err.contains("is among the arguments"), "{}", said.err);
            assert!(
                !said
                    .err
                    .contains(secret.split_once('=').map_or(secret, |(_, value)| value)),
                "{}",
                said.err
            );
        }
    }
}

#[test]
fn exit_codes_and_errors_are_as_documented() {
    let place = Place::new("codes");
    place.write("ring.txt", FIRST);
    place.refuses("ring show missing.txt", 3, "missing.txt cannot be read");
    place.refuses("ring add missing.txt", 3, "missing.txt cannot be read");
    place.refuses("ring show .", 3, "cannot be read");
    place.refuses("ring new no/ring.txt", 3, "cannot be written");
    place.refuses("inspect --ring missing.txt", 1, "no token");
    place.refuses(
        "rehearse ring.txt --previous ring.txt --longest 401d",
        2,
        "at most 400d",
    );
    place.refuses("rehearse ring.txt --previous ring.txt --longest 1y", 2, "12h");
    place.refuses("ring show ring.txt --at yesterday", 2, "2026-12-01T00:00:00Z");
    place.refuses("ring", 2, "Usage");
    place.refuses("inspect --payload", 2, "--ring");
    let said = place.run("ring show missing.txt --json");
    let error: Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!((&error["code"], said.out.is_empty()), (&3.into(), true));
    let version = place.does("--version").out;
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    for text in [
        "exit codes",
        "0  done",
        "1  refused",
        "2  the command line",
        "3  a file",
    ] {
        let help = place.does("--help").out.to_lowercase();
        assert!(help.contains(text), "{help}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_that_cannot_be_written_is_an_error_and_no_panic() {
    let place = Place::new("full");
    place.write("ring.txt", FIRST);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tested-sealed-session"))
        .args(["ring", "show", "ring.txt"])
        .current_dir(&place.0)
        .stdout(full)
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("standard output"), "{error}");
}

#[test]
#[cfg(unix)]
fn every_example_of_the_help_runs() {
    let place = Place::new("examples");
    let [second, third] = others();
    let commands = [
        "key new",
        "ring show",
        "ring new",
        "ring add",
        "ring seal",
        "ring retire",
        "inspect",
        "rehearse",
        "edge-keys",
        "revocations",
    ];
    for command in commands {
        let help = place.does(&format!("{command} --help")).out;
        let examples: Vec<&str> = help
            .lines()
            .skip_while(|line| *line != "Examples:")
            .skip(1)
            .map(str::trim)
            .collect();
        assert!(!examples.is_empty(), "{command} has no example");
        for example in examples {
            let [session, activity] = signed_in(&place);
            place.write("previous.txt", &format!("seal {FIRST}\nopen {second}\n"));
            place.write("ring.txt", &format!("seal {FIRST}\nopen {second}\n"));
            // In this one the last tokens of two keys have expired.
            place.write(
                "rotated.txt",
                &format!("seal {FIRST}\nseal {second} from=2025-01-01T00:00:00Z\nopen {third}\n"),
            );
            place.write("cookie.txt", &format!("{session}; {activity}"));
            let revoked = sealed_session::revocation::Revocations::new().snapshot_at(instant(NOW));
            fs::write(place.path("revoked"), revoked).unwrap();
            let example = example.replace("--audience shop-production", "--audience shop");
            let example = example.replace("kubectl get secret shop -o jsonpath={.data.ring}", "base64 ring.txt");
            shell(&place, &example);
        }
    }
}

#[test]
#[cfg(unix)]
fn the_lines_of_the_readme_run_in_their_order() {
    let place = Place::new("readme");
    let lines = include_str!("../../README.md")
        .lines()
        .skip_while(|line| !line.starts_with("sealed-session ring new"));
    let lines: Vec<&str> = lines.take_while(|line| *line != "```").collect();
    assert_eq!(lines.len(), 9, "{lines:?}");
    for line in lines {
        let keys = || place.does("ring show ring.txt --json").json()["keys"].clone();
        let line = match line {
            line if line.contains(" ID ") => line.replace(" ID ", &format!(" {} ", keys()[1]["id"].as_str().unwrap())),
            line if line.contains(" OLD ") => {
                let line = line.split('#').next().unwrap();
                let line = line.replace(" OLD ", &format!(" {} ", keys()[0]["id"].as_str().unwrap()));
                place.refuses(
                    line.trim_start_matches("sealed-session "),
                    1,
                    "must stay until 2027-03-02T00:15:00Z",
                );
                format!("{line} --at 2027-03-02T00:15:00Z")
            }
            line if line.contains("inspect") => {
                let ring = KeyRing::from_file(place.path("ring.txt")).unwrap();
                let sessions = Sessions::<Value>::builder(ring).audience("shop").build().unwrap();
                place.write("cookie", &sessions.cookie_for_at(Value::Null, instant(NOW)).unwrap());
                line.to_owned()
            }
            line => line.to_owned(),
        };
        shell(&place, &line);
    }
}

/// Runs a line as a shell does, with the command in its path and the clock at `NOW`.
#[cfg(unix)]
#[track_caller]
fn shell(place: &Place, line: &str) {
    let line = line.replace(
        "sealed-session ",
        &format!("{} --at {NOW} ", env!("CARGO_BIN_EXE_tested-sealed-session")),
    );
    let script = format!("set -euo pipefail\n{line}");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(&place.0)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{line}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
