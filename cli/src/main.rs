//! The command `sealed-session`: key rings, inspection of cookies and revocations, rehearsals of a rotation, keys for
//! an edge.
//!
//! It uses the crate's public items only. Secrets come from files and standard input, never from arguments.

mod answer;
mod edge_keys;
mod files;
mod header;
mod inspect;
mod instants;
mod judge;
mod key;
mod rehearse;
mod retire;
mod revocations;
mod ring;
mod ring_state;
mod ring_text;
mod schedule;
mod server;
mod settings;
mod stage;
mod timing;
mod values;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sealed_session::edge::Claims;
use time::OffsetDateTime;

use crate::answer::{Answer, Failure};

/// Keys and cookies of sealed-session, for operators.
#[derive(Parser)]
#[command(name = "sealed-session", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Write the answer as one JSON object, and each error or warning as one line of JSON on standard error. `schema`
    /// is 1
    #[arg(long, global = true, display_order = 100)]
    json: bool,
    /// Answer as if this were the time now. `ring seal` and `ring retire` trust it too
    #[arg(long, global = true, value_name = "TIME", value_parser = values::instant, display_order = 101)]
    at: Option<OffsetDateTime>,
}

const AFTER_HELP: &str = "\
Exit codes:
  0  done, or the answer is yes
  1  refused, or the answer is no: the cookie does not open, the rehearsal fails, the key must stay
  2  the command line, a ring or a setting is wrong
  3  a file or stream cannot be read or written

A rotation from beginning to end (each command has --help with examples):
  sealed-session ring new ring.txt                  the first key; every server reads this file
  sealed-session ring add ring.txt                  the next key, which only opens; deploy to every server
  sealed-session ring seal ring.txt ID              the next key seals
  sealed-session rehearse ring.txt --previous OLD   right before each deploy: does it sign visitors out? when may the old key go?
  sealed-session ring retire ring.txt OLD_ID        refused until the last token under the old key has expired

Times are RFC 3339 in whole seconds (2026-12-01T00:00:00Z), durations 90s, 30m, 12h or 400d. Secrets are read from files and
standard input, never from arguments, because other users of the machine can see arguments.";

#[derive(Subcommand)]
enum Command {
    #[command(subcommand)]
    Key(key::Key),
    #[command(subcommand)]
    Ring(ring::Ring),
    Inspect(inspect::Inspect),
    Rehearse(rehearse::Rehearse),
    EdgeKeys(edge_keys::EdgeKeys),
    Revocations(revocations::ShowRevocations),
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().collect();
    // Known before the arguments are parsed, so that their errors are JSON too.
    let is_json = arguments.iter().any(|argument| argument == "--json");
    if is_json {
        answer::speak_json();
    }
    if let Err(failure) = refuse_secrets(&arguments) {
        return failure.print();
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) if is_json && error.use_stderr() => {
            let message = error.to_string();
            return Failure::usage(message.trim_start_matches("error: ").trim_end()).print();
        }
        Err(error) => {
            // If the reader has gone, the exit code is still the same.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { answer::USAGE } else { 0 });
        }
    };
    let now = cli
        .at
        .unwrap_or_else(|| values::whole_second(OffsetDateTime::now_utc()));
    match run(cli.command, now).and_then(|answer| answer.print()) {
        Ok(code) => code,
        Err(failure) => failure.print(),
    }
}

fn run(command: Command, now: OffsetDateTime) -> Result<Answer, Failure> {
    match command {
        Command::Key(key) => key.run(),
        Command::Ring(ring) => ring.run(now),
        Command::Inspect(inspect) => inspect.run(now),
        Command::Rehearse(rehearse) => rehearse.run(now),
        Command::EdgeKeys(edge_keys) => edge_keys.run(now),
        Command::Revocations(revocations) => revocations.run(now),
    }
}

/// Refuses keys and tokens among the arguments without repeating them, as the parser's own errors would.
fn refuse_secrets(arguments: &[OsString]) -> Result<(), Failure> {
    let is_key = |piece: &str| {
        let rest = piece.split_once("sealed1_").map_or("", |(_, rest)| rest);
        rest.split_once('_')
            .is_some_and(|(id, secret)| id.len() == 8 && secret.len() > 7)
    };
    for argument in arguments.iter().skip(1).map(|argument| argument.to_string_lossy()) {
        let mut pieces = argument.split(['=', ';', ' ', ':']);
        if is_key(&argument) {
            return Err(Failure::usage(
                "a key is among the arguments, where other users and the shell's history see it; treat it as leaked, and \
                 give keys in a file or on standard input",
            ));
        }
        if pieces.any(|piece| Claims::parse(piece).is_ok()) {
            return Err(Failure::usage(
                "a token is among the arguments, where other users and the shell's history see it; give it on standard \
                 input: `sealed-session inspect < cookie.txt`",
            ));
        }
    }
    Ok(())
}
