//! What a command says, and its exit code.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use serde_json::{Value, json};
use zeroize::Zeroizing;

/// Refused, or the answer is no.
pub(crate) const NO: u8 = 1;
/// The command line, a ring or a setting is wrong.
pub(crate) const USAGE: u8 = 2;
/// A file or stream cannot be read or written.
const IO: u8 = 3;

/// The answer of a command: for people and for machines, yes or no.
pub(crate) struct Answer {
    yes: bool,
    human: Zeroizing<String>,
    machine: Zeroizing<String>,
}

impl Answer {
    /// `human` has one line or several; a line feed is added behind the last one.
    pub(crate) fn new(yes: bool, human: String, machine: &Value) -> Self {
        Self::with_secrets(Zeroizing::new(human), Zeroizing::new(machine.to_string())).and(yes)
    }

    /// An answer that consists of secrets; it is yes.
    pub(crate) fn with_secrets(human: Zeroizing<String>, machine: Zeroizing<String>) -> Self {
        Self {
            yes: true,
            human,
            machine,
        }
    }

    /// The same answer, of which people are shown this alone.
    pub(crate) fn for_people(self, human: impl Display) -> Self {
        let human = Zeroizing::new(human.to_string());
        Self { human, ..self }
    }

    fn and(self, yes: bool) -> Self {
        Self { yes, ..self }
    }

    /// Writes it to standard output.
    pub(crate) fn print(&self, json: bool) -> Result<ExitCode, Failure> {
        let text = if json { &self.machine } else { &self.human };
        let mut out = io::stdout().lock();
        writeln!(out, "{}", text.trim_end_matches('\n'))
            .and_then(|()| out.flush())
            .map_err(|error| Failure::io("standard output cannot be written", &error))?;
        Ok(ExitCode::from(if self.yes { 0 } else { NO }))
    }
}

/// Why a command has no answer; the text says what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
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
        }
    }

    /// Writes it to standard error.
    pub(crate) fn print(&self, json: bool) -> ExitCode {
        let text = if json {
            json!({ "error": self.message, "code": self.code }).to_string()
        } else {
            format!("error: {}", self.message)
        };
        // Where standard error is closed, the code alone must do.
        let _ = writeln!(io::stderr(), "{text}");
        ExitCode::from(self.code)
    }
}

/// A line on standard error that does not change the outcome.
pub(crate) fn warn(message: impl Display) {
    let _ = writeln!(io::stderr(), "warning: {message}");
}
