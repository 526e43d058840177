//! `edge-keys`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sealed_session::device::DeviceBinding;
use sealed_session::edge::EdgeRights;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::answer::{self, Answer, Failure};
use crate::files;
use crate::settings::{Settings, build};
use crate::values;

/// Print day keys for an edge, as JSON
///
/// By default the edge can only check: it tells tokens of a key holder from all others, and never reads or grants a
/// session. With --open it reads sessions, and can make sessions that expire on those days. A token needs the keys of
/// the day on which it expires: give at least as many days as the longest absolute timeout has, and export again before
/// they run out. Give the application's timeouts: the edge applies those of the output. If sessions are bound to devices,
/// say so with --proof-lifetime: a checking edge then gets no keys of the activity cookie, which could unbind them. The
/// output is the JSON that `Sessions::edge_keys` writes, with or without --json.
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
    /// Sessions are bound to devices, and a proof is valid for this long (`DeviceBinding::proof_lifetime`: 11m unless the
    /// application says otherwise)
    #[arg(long, value_name = "DURATION", value_parser = values::lifetime)]
    proof_lifetime: Option<Duration>,
    /// Let the edge check the activity cookies of bound sessions too: it can then unbind sessions from their devices
    #[arg(long, requires = "proof_lifetime", conflicts_with = "open")]
    activity: bool,
    /// Let the edge open and make sessions too: the output is then a secret
    #[arg(long)]
    open: bool,
}

impl EdgeKeys {
    pub(crate) fn run(self, now: OffsetDateTime) -> Result<Answer, Failure> {
        let ring = files::read_ring(&self.ring)?;
        let builder = self.settings.sessions(ring.ring().clone(), true);
        let sessions = build(match self.proof_lifetime {
            // The path is in no key.
            Some(lifetime) => builder.device_binding(DeviceBinding::at("/device").proof_lifetime(lifetime)),
            None => builder,
        })?;
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
        } else if self.activity {
            answer::warn("these keys can unbind sessions from their devices");
            EdgeRights::CheckActivity
        } else {
            EdgeRights::Check
        };
        let keys = sessions.edge_keys_at(self.days, rights, now);
        let text = || Zeroizing::new(keys.expose().to_owned());
        Ok(Answer::with_secrets(text(), text()))
    }
}
