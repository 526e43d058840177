//! `ring retire`.

use std::path::PathBuf;

use clap::Args;
use sealed_session::{KeyId, KeyRing};
use serde_json::json;
use time::OffsetDateTime;

use crate::answer::{Answer, Failure};
use crate::files::Editing;
use crate::ring::answer;
use crate::schedule::{Sealing, Timing, sealing};
use crate::values::{self, find, relative, written};

/// Remove a key, once the last token under it must be over.
///
/// That is: the instant from which another key seals, + --deploy for the last server to follow, + 5 minutes for its clock, +
/// --longest. Before that the command refuses and names the instant. The key that seals now is never removed.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sealed-session ring retire rotated.txt 9e4859a4
  sealed-session ring retire rotated.txt 9e4859a4 --longest 90d
  sealed-session ring retire rotated.txt b303b300 --longest 12h --sealed-until 2026-10-01T00:00:00Z
  sealed-session ring retire rotated.txt 9e4859a4 --force")]
pub(crate) struct Retire {
    /// The ring file
    file: PathBuf,
    /// The key's id
    #[arg(value_name = "ID", value_parser = values::key_id)]
    id: String,
    #[command(flatten)]
    timing: Timing,
    /// Remove it now, after a theft: sessions and other sealed values under it end at once
    #[arg(long)]
    force: bool,
}

impl Retire {
    pub(crate) fn run(self, now: OffsetDateTime) -> Result<Answer, Failure> {
        let editing = Editing::begin(&self.file)?;
        let old = editing.read()?;
        let id = find(old.ring(), &self.id)?;
        let ends = matches!(sealing(old.ring(), id), Sealing::Until(_));
        if old.ring().sealing_key(now) == id && (self.force || !ends) {
            return Err(Failure::refused(format_args!(
                "key {id} seals now; let another one seal first: `ring seal`"
            )));
        }
        let may_go = if self.force {
            None
        } else {
            Some(self.may_go(old.ring(), id)?)
        };
        if let Some(may_go) = may_go.filter(|&may_go| now < may_go) {
            let human = format!(
                "key {id} must stay until {} ({}): tokens under it may be alive until then; the file was left as it was",
                written(may_go),
                relative(may_go, now)
            );
            let machine = json!({ "changed": false, "key": id.to_string(), "may_go": written(may_go) });
            return Ok(Answer::new(false, human, &machine));
        }
        let ring = old.without(id)?;
        editing.replace(&ring)?;
        let what = "removed; deploy the file to every server";
        Ok(answer(&self.file, Some(id), ring.ring(), now, Some(what)))
    }

    /// When the last token under the key is over, if it can be known.
    fn may_go(&self, ring: &KeyRing, id: KeyId) -> Result<OffsetDateTime, Failure> {
        let stated = self.timing.last_sealed_as_stated();
        let last = match sealing(ring, id) {
            Sealing::Until(until) => Some(self.timing.last_sealed(until).max(stated.unwrap_or(until))),
            Sealing::Unknown => stated,
            Sealing::WithoutEnd => {
                return Err(Failure::refused(format_args!(
                    "key {id} is to seal, from an instant ahead; --force removes it, and with it the plan"
                )));
            }
        };
        last.map(|last| self.timing.may_go(last)).ok_or_else(|| {
            Failure::refused(format_args!(
                "key {id} is only `open`, and the ring does not say since when it seals nothing; if you know, say so with \
                 --sealed-until INSTANT; if it has never sealed, --force removes it"
            ))
        })
    }
}
