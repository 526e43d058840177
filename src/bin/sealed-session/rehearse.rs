//! `rehearse`: real cookies, real servers, the actual ring files.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::answer::{Answer, Failure};
use crate::files;
use crate::ring::{key_json, role};
use crate::schedule::Timing;
use crate::stage::{Retirement, Stage};
use crate::values::{relative, written};

/// Prove that a ring file logs nobody out, and say when its old keys may go.
///
/// Makes sessions and sealed values with the crate itself and the actual ring files, and opens them on servers with the other ring:
/// yesterday's and older ones on a server that has the new ring, today's on a server that still runs the previous one, for as long as
/// the deploy lasts. For every key that is on its way out it tries the instant from which nothing is lost without it. Nothing is
/// written.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sealed-session rehearse ring.txt
  sealed-session rehearse ring.txt --previous previous.txt
  sealed-session rehearse rotated.txt --previous previous.txt --longest 90d --deploy 2h --json")]
pub(crate) struct Rehearse {
    /// The ring file that is to be deployed, or - for standard input
    #[arg(value_name = "FILE")]
    ring: PathBuf,
    /// The ring file that servers run now; without it, FILE itself
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    #[command(flatten)]
    timing: Timing,
}

impl Rehearse {
    pub(crate) fn run(self, now: OffsetDateTime) -> Result<Answer, Failure> {
        let ring = files::read_ring(&self.ring)?;
        let previous = match &self.previous {
            Some(previous) => files::read_ring(previous)?,
            None => ring.again()?,
        };
        let stage = Stage {
            previous,
            ring,
            timing: self.timing,
            now,
        };
        let mut checks = vec![stage.yesterdays_open_today()?];
        checks.extend(stage.todays_open_elsewhere()?);
        let (retirements, check) = stage.retirements()?;
        checks.push(check);
        let deadline = stage.deadline()?;
        let yes = checks.iter().all(|check| check.problems.is_empty());
        let mut human = vec![format!("As of {}:", written(now))];
        for check in &checks {
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
        for Retirement { key, may_go } in &retirements {
            let go = may_go.map(|go| format!("; may go from {} ({})", written(go), relative(go, now)));
            let role = role(stage.ring.ring(), key.id, key.role, now);
            human.push(format!("  {}  {role}{}", key.id, go.unwrap_or_default()));
        }
        if self.previous.is_none() {
            human.push(
                "Give --previous the ring that servers run now; without it only the ring itself was tried.".into(),
            );
        }
        let machine = json!({
            "ok": yes,
            "at": written(now),
            "checks": checks.iter().map(|check| json!({
                "what": check.what, "ok": check.problems.is_empty(), "cookies": check.cookies, "problems": check.problems,
            })).collect::<Vec<_>>(),
            "deploy_before": deadline.map(written),
            "keys": retirements.iter().map(|retirement| {
                let mut key = key_json(stage.ring.ring(), retirement.key.id, retirement.key.role);
                key["may_go"] = retirement.may_go.map(written).into();
                key
            }).collect::<Vec<Value>>(),
        });
        Ok(Answer::new(yes, human.join("\n"), &machine))
    }
}
