//! The output of a command, and its exit code.

use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// Refused, or the answer is no.
pub(crate) const NO: u8 = 1;
/// The command line, a ring or a setting is wrong.
pub(crate) const USAGE: u8 = 2;
/// A file or stream cannot be read or written.
const IO: u8 = 3;

/// Version of the JSON objects. It changes when a field is renamed or removed.
pub(crate) const SCHEMA: u8 = 1;

/// Whether answers, errors and warnings are JSON objects, one per line.
static JSON: AtomicBool = AtomicBool::new(false);

/// From now on the output is JSON.
pub(crate) fn speak_json() {
    JSON.store(true, Ordering::Relaxed);
}

fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// The answer of a command, as text for people and as JSON for machines, and whether it is yes.
pub(crate) struct Answer {
    yes: bool,
    human: Zeroizing<String>,
    machine: Zeroizing<String>,
    is_secret: bool,
}

impl Answer {
    /// `human` has one line or several; a line feed is added after the last one.
    pub(crate) fn new(yes: bool, human: String, mut machine: Value) -> Self {
        machine["schema"] = SCHEMA.into();
        Self {
            yes,
            human: Zeroizing::new(human),
            machine: Zeroizing::new(machine.to_string()),
            is_secret: false,
        }
    }

    /// An answer that consists of secrets; it is yes.
    pub(crate) fn with_secrets(human: Zeroizing<String>, machine: Zeroizing<String>) -> Self {
        Self {
            yes: true,
            human,
            machine,
            is_secret: true,
        }
    }

    /// The same answer, with this text alone for people.
    pub(crate) fn for_people(self, human: impl Display) -> Self {
        let human = Zeroizing::new(human.to_string());
        Self { human, ..self }
    }

    /// Writes it to standard output.
    pub(crate) fn print(&self) -> Result<ExitCode, Failure> {
        if self.is_secret {
            warn_if_output_is_readable();
        }
        let text = printable(if is_json() { &self.machine } else { &self.human });
        let mut out = io::stdout().lock();
        writeln!(out, "{}", text.trim_end_matches('\n'))
            .and_then(|()| out.flush())
            .map_err(|error| Failure::io("standard output cannot be written", &error))?;
        Ok(ExitCode::from(if self.yes { 0 } else { NO }))
    }
}

/// Escapes characters that a terminal would obey, as in JSON: visitors choose names of cookies and data of sessions.
fn printable(text: &str) -> Zeroizing<String> {
    // The full capacity at once: a string that grows leaves copies of secrets in memory.
    let mut printable = Zeroizing::new(String::with_capacity(text.len() * 6));
    for c in text.chars() {
        let is_bidirectional = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() && c != '\n' || is_bidirectional {
            // Writing into a `String` cannot fail.
            let _ = write!(printable, "\\u{:04x}", u32::from(c));
        } else {
            printable.push(c);
        }
    }
    printable
}

/// Why a command has no answer; the text says what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
    /// Further fields of the JSON.
    facts: Map<String, Value>,
}

impl Failure {
    pub(crate) fn refused(message: impl Display) -> Self {
        Self::new(NO, message)
    }

    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(USAGE, message)
    }

    pub(crate) fn io(what: impl Display, error: &io::Error) -> Self {
        Self::new(IO, format_args!("{what}: {error}"))
    }

    fn new(code: u8, message: impl Display) -> Self {
        Self {
            code,
            message: message.to_string(),
            facts: Map::new(),
        }
    }

    /// With another field of the JSON.
    pub(crate) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(field.into(), value.into());
        self
    }

    /// Writes it to standard error.
    pub(crate) fn print(self) -> ExitCode {
        let code = self.code;
        let message = self.message.clone();
        say("error", &message, self.with("code", code).facts);
        ExitCode::from(code)
    }
}

/// A line on standard error that does not change the outcome.
pub(crate) fn warn(message: impl Display) {
    say("warning", &message.to_string(), Map::new());
}

fn say(kind: &str, message: &str, mut facts: Map<String, Value>) {
    let text = if is_json() {
        facts.insert("schema".into(), SCHEMA.into());
        facts.insert(kind.into(), message.into());
        Value::Object(facts).to_string()
    } else {
        format!("{kind}: {message}")
    };
    // If standard error is closed, only the exit code is left.
    let _ = writeln!(io::stderr(), "{}", *printable(&text));
}

#[cfg(unix)]
fn warn_if_output_is_readable() {
    use std::fs::File;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(file) = io::stdout().as_fd().try_clone_to_owned() else {
        return;
    };
    let Ok(metadata) = File::from(file).metadata() else {
        return;
    };
    let mode = metadata.permissions().mode() & 0o777;
    if metadata.is_file() && mode & 0o077 != 0 {
        warn(format_args!(
            "a secret goes to a file that is open to its group or to others (mode {mode:o}); `chmod 600` it, and run `umask 077` \
             first next time"
        ));
    }
}

#[cfg(not(unix))]
fn warn_if_output_is_readable() {}
