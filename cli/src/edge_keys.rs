//! `edge-keys`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sealed_session::edge::EdgeRights;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::answer::{self, Answer, Failure};
use crate::files;
use crate::settings::{Settings, build};

/// Print day keys for an edge, as JSON
///
/// By default the edge can only check: it tells tokens of a key holder from all others, and never reads or grants a
/// session. With --open it reads sessions, and can make sessions that expire on those days. A token needs the keys of
/// the day on which it expires: give at least as many days as the longest absolute timeout has, and export again before
/// they run out. Give the application's timeouts: the edge applies those of the output. The output is the JSON that
/// `Sessions::edge_keys` writes, with or without --json.
#[derive(Args)]
#[command(after_help = "\
Examples:
  umask 077    # only you can read the files that follow
  sealed-session edge-keys ring.txt --audience shop-production > edge-keys.json
  sealed-session edge-keys ring.txt --audience shop-production --days 97 --remembered-idle 14d --remembered-absolute 90d > edge-keys.json")]
pub(crate) struct EdgeKeys {
    /// The ring file, or - for standard input
    #[arg(value_name = "FILE")]
    ring: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// How many days after the current UTC day
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=400))]
    days: u32,
    /// Let the edge open and make sessions too: the output is then a secret
    #[arg(long)]
    open: bool,
}

impl EdgeKeys {
    pub(crate) fn run(self, now: OffsetDateTime) -> Result<Answer, Failure> {
        let ring = files::read_ring(&self.ring)?;
        let sessions = build(self.settings.sessions(ring.ring().clone(), true))?;
        let longest = self.settings.longest();
        if Duration::from_secs(u64::from(self.days) * 86_400) < longest {
            let days = longest.as_secs().div_ceil(86_400);
            answer::warn(format_args!(
                "sessions live up to {days} days; an edge with the keys of {} does not know all of them",
                self.days
            ));
        }
        let rights = if self.open {
            answer::warn("these keys can make sessions that expire on those days; keep them secret");
            EdgeRights::Open
        } else {
            EdgeRights::Check
        };
        let keys = sessions.edge_keys_at(self.days, rights, now);
        let text = || Zeroizing::new(keys.expose().to_owned());
        Ok(Answer::with_secrets(text(), text()))
    }
}
