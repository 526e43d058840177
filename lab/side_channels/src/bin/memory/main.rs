//! Which of its secrets does a process still hold after they should be gone?
//!
//! This program starts itself a second time. The second process uses the crate and waits. The first one looks for what it
//! knows of keys, tokens and session data in the other's memory, through `/proc`. It does so twice over: [`everything`]
//! uses all of the crate and drops it; [`kept`] has opened sessions that are kept, and go in each of their ways while
//! `Sessions` lives. As a control it searches the same memory while all is kept: there it must be found. Linux only.
//!
//! It fails if a control finds nothing, or if anything is left on the heap. Copies on the stack are reported only: a
//! compiler copies a value there wherever it is moved, and such a copy has no owner that could clear it. Reported only
//! are three things more: header fields and session data that do not clear themselves, which are the application's, and
//! the part of a token's check by which the library finds a kept session.

mod everything;
mod kept;
mod needles;
mod search;
mod server;

use std::error::Error;
use std::process::ExitCode;

type Outcome<T> = Result<T, Box<dyn Error>>;

const SECRET: usize = 32;

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        None => everything::search().and_then(|()| kept::search()),
        Some("drop") => everything::work(false),
        Some("keep") => everything::work(true),
        Some("serve") => server::work(),
        Some(_) => Err("usage: memory".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn random_word(length: usize) -> String {
    let mut rng = fastrand::Rng::new();
    std::iter::repeat_with(|| rng.alphanumeric()).take(length).collect()
}
