//! `ring show`, `new`, `add`, `seal` and `retire`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use sealed_session::keys::{KeyDescription, KeyId, Role};
use sealed_session::{Key, KeyRing};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::answer::{Answer, Failure};
use crate::files::{self, Editing};
use crate::instants::{LEEWAY, written};
use crate::retire::Retire;
use crate::ring_state::answer;
use crate::ring_text::RingText;
use crate::schedule::HASTE;
use crate::values::{self, find};

/// The ring file: which key seals, which ones open.
///
/// A change replaces the file as a whole or not at all. Comments, blank lines, order, mode and owner stay; a symbolic
/// link is followed.
#[derive(Subcommand)]
pub(crate) enum Ring {
    /// List the keys with their roles, without secrets
    #[command(after_help = "\
Examples:
  sealed-session ring show ring.txt
  sealed-session ring show ring.txt --json
  OLD=$(sealed-session ring show ring.txt --id)
  kubectl get secret shop -o jsonpath={.data.ring} | base64 -d | sealed-session ring show -")]
    Show {
        /// The ring file, or - for standard input
        file: PathBuf,
        /// Print only the id of the key that seals now
        #[arg(long)]
        id: bool,
    },
    /// Make a new ring file of mode 600 with a new key, which seals
    #[command(after_help = "\
Examples:
  sealed-session ring new fresh.txt")]
    New {
        /// The file to make; an existing one is not touched
        file: PathBuf,
    },
    /// Add a key that only opens: a new one, or one from standard input
    ///
    /// The first half of a rotation. Deploy the file to every server before the key seals.
    #[command(after_help = "\
Examples:
  sealed-session ring add ring.txt
  NEW=$(sealed-session ring add ring.txt --id)
  sealed-session key new | sealed-session ring add ring.txt --stdin")]
    Add {
        /// The ring file
        file: PathBuf,
        /// Read the written key from standard input
        #[arg(long)]
        stdin: bool,
        /// Print only the id of the key
        #[arg(long)]
        id: bool,
    },
    /// Let a key seal, at once or from a given time on
    ///
    /// The second half of a rotation. Every server must open with the key already, or must do so before the given time:
    /// `rehearse` with the ring that servers run now shows whether they do. The key that sealed before goes on opening.
    /// Its entry stays as it is, and the `from=` of the new key says when it stops sealing. `ring retire` counts from
    /// that time: if the deploy comes later, let the key seal again right before it, or give a time after it.
    #[command(after_help = "\
Examples:
  sealed-session ring seal ring.txt 56f76705
  sealed-session ring seal ring.txt 56f76705 --from 2026-12-01T00:00:00Z")]
    Seal {
        /// The ring file
        file: PathBuf,
        /// The key's id
        #[arg(value_name = "ID", value_parser = values::key_id)]
        id: KeyId,
        /// From this time on, which must be in the future
        #[arg(long, value_name = "TIME", value_parser = values::instant)]
        from: Option<OffsetDateTime>,
    },
    Retire(Retire),
}

impl Ring {
    pub(crate) fn run(self, now: OffsetDateTime) -> Result<Answer, Failure> {
        match self {
            Self::Show { file, id } => {
                let ring = files::read_ring(&file)?;
                let answer = answer(&file, None, ring.ring(), now, None);
                Ok(if id {
                    answer.for_people(ring.ring().sealing_key_at(now))
                } else {
                    answer
                })
            }
            Self::New { file } => {
                let key = Key::generate().map_err(Failure::refused)?;
                let id = key.id();
                let written = KeyRing::new(key).write_with_secrets();
                let text = Zeroizing::new(written.expose().to_owned());
                let ring = RingText::parse(text).map_err(Failure::refused)?;
                files::create(&file, &ring)?;
                Ok(answer(&file, Some(id), ring.ring(), now, Some("made, with one key")))
            }
            Self::Add { file, stdin, id } => {
                let (key, answer) = add(&file, stdin, now)?;
                Ok(if id { answer.for_people(key) } else { answer })
            }
            Self::Seal { file, id, from } => seal(&file, id, from, now),
            Self::Retire(retire) => retire.run(now),
        }
    }
}

fn add(file: &Path, stdin: bool, now: OffsetDateTime) -> Result<(KeyId, Answer), Failure> {
    let key = if stdin {
        let text = files::read_stdin()?;
        Key::parse(text.trim()).map_err(|error| Failure::usage(format_args!("standard input: {error}")))?
    } else {
        Key::generate().map_err(Failure::refused)?
    };
    let editing = Editing::begin(file)?;
    let ring = editing.read()?.with_open(&key)?;
    editing.replace(&ring)?;
    let what = "added, it only opens; deploy the file to every server before this key seals";
    Ok((key.id(), answer(file, Some(key.id()), ring.ring(), now, Some(what))))
}

fn seal(file: &Path, id: KeyId, from: Option<OffsetDateTime>, now: OffsetDateTime) -> Result<Answer, Failure> {
    if from.is_some_and(|from| from <= now) {
        return Err(Failure::usage(
            "--from is in the past; leave it out, and the key seals at once",
        ));
    }
    let editing = Editing::begin(file)?;
    let old = editing.read()?;
    find(old.ring(), id)?;
    let is_base = |key: &KeyDescription| key.id == id && key.role == Role::Seal;
    if old.ring().sealing_key_at(now) == id && old.ring().describe().iter().any(is_base) {
        return Err(Failure::refused(format_args!(
            "key {id} seals already; the file was left as it was"
        )));
    }
    let ring = old.promoted(id, from.unwrap_or(now))?;
    editing.replace(&ring)?;
    let what = match from {
        None => format!(
            "it seals from {}, which is now by this machine's clock; rehearse and deploy within {} minutes, to servers that open \
             with it already",
            written(now),
            HASTE.as_secs() / 60
        ),
        Some(from) => format!(
            "it seals from {}; every server must read this file {} minutes before then",
            written(from),
            LEEWAY.as_secs() / 60
        ),
    };
    Ok(answer(file, Some(id), ring.ring(), now, Some(&what)))
}
