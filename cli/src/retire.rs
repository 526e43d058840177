//! `ring retire`.

use std::path::PathBuf;

use clap::Args;
use sealed_session::KeyRing;
use sealed_session::keys::KeyId;
use time::OffsetDateTime;

use crate::answer::{Answer, Failure};
use crate::files::Editing;
use crate::instants::written;
use crate::ring_state::answer;
use crate::schedule::{Sealing, sealing};
use crate::timing::TimingOptions;
use crate::values::{self, find, relative};

/// Remove a key whose last token has expired.
///
/// The key may go at the time from which another key seals, plus --deploy until the last server has the ring, plus
/// --longest, plus 15 minutes: 5 between `ring seal` and the deploy, 5 for the clocks of servers, 5 for the clocks of
/// operators. Before that time the command refuses and names it. If a deploy took longer than --deploy, give the longer
/// duration here. The key that seals now is never removed.
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
    id: KeyId,
    #[command(flatten)]
    timing: TimingOptions,
    /// Remove it now, after a theft: sessions and other sealed values under it end with the deploy. The ring as it was
    /// is kept beside the file, as FILE.with-ID
    #[arg(long)]
    force: bool,
}

impl Retire {
    pub(crate) fn run(self, now: OffsetDateTime) -> Result<Answer, Failure> {
        let editing = Editing::begin(&self.file)?;
        let old = editing.read()?;
        let id = self.id;
        find(old.ring(), id)?;
        let ends = matches!(sealing(old.ring(), id), Sealing::Until(_));
        if old.ring().sealing_key_at(now) == id && (self.force || !ends) {
            return Err(Failure::refused(format_args!(
                "key {id} seals now; let another one seal first: `ring seal`"
            )));
        }
        let ring = old.without(id)?;
        let what = if self.force {
            let copy = editing.keep(&old, id)?;
            format!(
                "removed; deploy the file to every server; the ring as it was is in {}, delete it when it is not needed",
                copy.display()
            )
        } else {
            let may_go = self.may_go(old.ring(), id)?;
            if now < may_go {
                return Err(Failure::refused(format_args!(
                    "key {id} must stay until {} ({}): tokens under it may live until then; the file was left as it was",
                    written(may_go),
                    relative(may_go, now)
                ))
                .with("may_go", written(may_go)));
            }
            "removed; deploy the file to every server".to_owned()
        };
        editing.replace(&ring)?;
        Ok(answer(&self.file, Some(id), ring.ring(), now, Some(&what)))
    }

    /// When the last token under the key has expired, if it can be known.
    fn may_go(&self, ring: &KeyRing, id: KeyId) -> Result<OffsetDateTime, Failure> {
        let timing = self.timing.timing();
        let stated = timing.may_go_as_stated();
        match sealing(ring, id) {
            Sealing::Until(until) => Some(timing.may_go(until)).max(stated),
            Sealing::Unknown => stated,
            Sealing::WithoutEnd => {
                return Err(Failure::refused(format_args!(
                    "key {id} will seal, from a later time; --force removes it, and with it the plan"
                )));
            }
        }
        .ok_or_else(|| {
            Failure::refused(format_args!(
                "key {id} is only `open`, and the ring does not say when it stopped sealing; if you know, give \
                 --sealed-until TIME; if it has never sealed, --force removes it"
            ))
        })
    }
}
