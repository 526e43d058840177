//! `key new`.

use clap::Subcommand;
use zeroize::Zeroizing;

use crate::answer::{Answer, Failure, SCHEMA};

/// Make a key.
#[derive(Subcommand)]
pub(crate) enum Key {
    /// Print a new key with its secret on standard output
    ///
    /// 32 bytes from the operating system's random source, in the written form that rings hold: `sealed1_`, the key id
    /// in 8 hexadecimal digits, `_`, the secret in 64. The id follows from the secret. A key alone is a ring that seals
    /// with it.
    #[command(after_help = "\
Examples:
  (umask 077 && sealed-session key new > new-key.txt)
  sealed-session key new | sealed-session ring add ring.txt --stdin")]
    New,
}

impl Key {
    pub(crate) fn run(self) -> Result<Answer, Failure> {
        let Self::New = self;
        let key = sealed_session::Key::generate().map_err(Failure::refused)?;
        let written = key.write_with_secret();
        let mut json = Zeroizing::new(String::with_capacity(256));
        for piece in [
            &format!("{{\"schema\":{SCHEMA},\"id\":\""),
            &key.id().to_string(),
            "\",\"key\":\"",
            written.expose(),
            "\"}",
        ] {
            json.push_str(piece);
        }
        Ok(Answer::with_secrets(Zeroizing::new(written.expose().to_owned()), json))
    }
}
