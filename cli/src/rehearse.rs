//! `rehearse`: real cookies, real servers, the actual ring files.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::answer::{Answer, Failure};
use crate::files;
use crate::instants::written;
use crate::ring_state::{key_json, role};
use crate::stage::{Retirement, Stage};
use crate::timing::TimingOptions;
use crate::values::relative;

/// Prove that the deploy of a ring file signs no visitor out, and show when its old keys may go.
///
/// Run it right before the deploy. It uses the crate itself and the actual ring files: it makes sessions and sealed
/// values with one ring and opens them on servers with the other. Sessions of yesterday and before open on a server
/// with the new ring, and those of today on a server that still has the previous one, as long as the deploy takes. The
/// last ones under each old key have expired when `ring retire` lets it go. Clocks may differ by 5 minutes, this
/// machine's too. Nothing is written.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sealed-session rehearse ring.txt --previous previous.txt
  sealed-session rehearse ring.txt --previous previous.txt --longest 90d --deploy 2h --json")]
pub(crate) struct Rehearse {
    /// The ring file to deploy, or - for standard input
    #[arg(value_name = "FILE")]
    ring: PathBuf,
    /// The ring file that servers run now
    #[arg(long, value_name = "FILE")]
    previous: PathBuf,
    #[command(flatten)]
    timing: TimingOptions,
}

impl Rehearse {
    pub(crate) fn run(self, now: OffsetDateTime) -> Result<Answer, Failure> {
        let (ring, previous) = (files::read_ring(&self.ring)?, files::read_ring(&self.previous)?);
        let stage = Stage {
            previous: previous.ring(),
            ring: ring.ring(),
            timing: self.timing.timing(),
            now,
        };
        let outcome = stage.rehearse().map_err(Failure::refused)?;
        let yes = outcome.is_good();
        let deadline = outcome.deadline.filter(|_| yes);
        let mut human = vec![format!("As of {}:", written(now))];
        for check in &outcome.checks {
            human.push(format!(
                "  {:6} {} (tried: {})",
                if check.problems.is_empty() { "ok" } else { "FAILS" },
                check.what,
                check.cookies
            ));
            human.extend(check.problems.iter().map(|problem| format!("         {problem}")));
        }
        if let Some(deadline) = deadline {
            human.push(format!(
                "Every server must run this ring before {} ({}).",
                written(deadline),
                relative(deadline, now)
            ));
        }
        human.push("Keys:".into());
        for Retirement { key, may_go } in &outcome.keys {
            let go = may_go.map(|go| format!("; may go from {} ({})", written(go), relative(go, now)));
            let role = role(ring.ring(), key.id, key.role, now);
            human.push(format!("  {}  {role}{}", key.id, go.unwrap_or_default()));
        }
        let machine = json!({
            "ok": yes,
            "at": written(now),
            "checks": outcome.checks.iter().map(|check| json!({
                "what": check.what, "ok": check.problems.is_empty(), "cookies": check.cookies, "problems": check.problems,
            })).collect::<Vec<_>>(),
            "deploy_before": deadline.map(written),
            "keys": outcome.keys.iter().map(|retirement| {
                let mut key = key_json(ring.ring(), retirement.key.id, retirement.key.role);
                key["may_go"] = retirement.may_go.map(written).into();
                key
            }).collect::<Vec<Value>>(),
        });
        Ok(Answer::new(yes, human.join("\n"), machine))
    }
}
