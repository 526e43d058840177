//! The command `sealed-session`, as an operator runs it: the real binary on real files.
#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod every_command;
mod exports;
mod inspection;
mod rehearsals;
mod rings;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sealed_session::{KeyRing, Sessions};
use serde_json::Value;
use testkit::{Directory, texts, vectors};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const FIRST: &str = "sealed1_9e4859a4_4b99fb7887e95d5dcac0842e4cca21f0e48cc6a1f7c3fedd84678d0b3fc0ff81";

/// The second and third key of the vectors.
fn others() -> [String; 2] {
    ["56f76705", "b303b300"].map(|id| {
        let file = vectors();
        let mut keys = testkit::rows(&file, "vectors")
            .iter()
            .flat_map(|row| texts(row, "ring"));
        keys.find(|key| key.contains(id)).unwrap().to_owned()
    })
}

/// A directory of one test, in which commands run.
struct Place(Directory);

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }
}

impl Place {
    fn new(test: &str) -> Self {
        Self(Directory::new(&format!("cli-{test}")))
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    /// A private file.
    fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
        self.set_mode(file, 0o600);
    }

    #[cfg(unix)]
    fn set_mode(&self, file: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(self.path(file), fs::Permissions::from_mode(mode)).unwrap();
    }

    #[cfg(not(unix))]
    fn set_mode(&self, _file: &str, _mode: u32) {}

    #[cfg(unix)]
    fn mode(&self, file: &str) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(self.path(file)).unwrap().permissions().mode() & 0o777
    }

    /// Runs the command with these words on 24 November 2026 and checks that it shows no secret.
    #[track_caller]
    fn run(&self, words: &str) -> Said {
        self.run_with(&words.split_whitespace().collect::<Vec<_>>(), "")
    }

    #[track_caller]
    fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        let said = self.run_showing_secrets(arguments, input);
        for text in [&said.out, &said.err] {
            let digits = text.split(|c: char| !c.is_ascii_hexdigit()).map(str::len).max();
            let key = text
                .split("sealed1_")
                .skip(1)
                .any(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit()));
            assert!(digits < Some(60) && !key, "a secret: {text}");
        }
        said
    }

    #[track_caller]
    fn run_showing_secrets(&self, arguments: &[&str], input: &str) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tested-sealed-session"));
        command.args(arguments).current_dir(&self.0);
        if !arguments.contains(&"--at") {
            command.args(["--at", NOW]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read its input may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs and expects success.
    #[track_caller]
    fn does(&self, words: &str) -> Said {
        let said = self.run(words);
        assert_eq!(said.code, 0, "{words}: {}{}", said.out, said.err);
        said
    }

    /// Runs and expects this code and this text on standard output or error.
    #[track_caller]
    fn refuses(&self, words: &str, code: i32, text: &str) {
        let said = self.run(words);
        assert_eq!(said.code, code, "{words}: {}{}", said.out, said.err);
        assert!(
            said.out.contains(text) || said.err.contains(text),
            "{words}: {}{}",
            said.out,
            said.err
        );
    }
}

const NOW: &str = "2026-11-24T00:00:00Z";

fn instant(text: &str) -> OffsetDateTime {
    OffsetDateTime::parse(text, &Rfc3339).unwrap()
}

fn written(seconds: u64) -> String {
    let instant = OffsetDateTime::from_unix_timestamp(seconds.try_into().unwrap()).unwrap();
    instant.format(&Rfc3339).unwrap()
}

/// A ring file and the cookies that a server with it made at `NOW`.
fn signed_in(place: &Place) -> [String; 2] {
    place.write("ring.txt", &format!("seal {FIRST}"));
    let ring = KeyRing::parse(FIRST).unwrap();
    let sessions = Sessions::<Value>::builder(ring).audience("shop").build().unwrap();
    let cookies = sessions
        .cookie_for_at(serde_json::json!({ "user": "zoe" }), instant(NOW))
        .unwrap();
    let (session, activity) = cookies.split_once("; ").unwrap();
    [session.to_owned(), activity.to_owned()]
}
