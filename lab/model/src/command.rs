//! `sealed-session rehearse` and `ring retire`, from the command's own files, so that the model explores their rule.
#![allow(dead_code, reason = "the command prints more than the model needs")]

#[path = "../../../cli/src/instants.rs"]
mod instants;
#[path = "../../../cli/src/schedule.rs"]
mod schedule;
#[path = "../../../cli/src/server.rs"]
mod server;
#[path = "../../../cli/src/stage.rs"]
mod stage;

use std::sync::Arc;
use std::time::Duration;

use crate::keys::Ring;
use crate::procedure::LIMITS;
use crate::server::{at, seconds};
use schedule::Timing;
use stage::Stage;

fn timing(deploy: u32) -> Timing {
    Timing {
        longest: Duration::from_secs(LIMITS.absolute.into()),
        deploy: Duration::from_secs(deploy.into()),
        sealed_until: None,
    }
}

/// Whether the rehearsal of a deploy that begins now passes.
pub fn rehearses(previous: Ring, ring: Ring, deploy: u32, now: u32) -> bool {
    let stage = Stage {
        previous: &Arc::new(previous.key_ring()),
        ring: &Arc::new(ring.key_ring()),
        timing: timing(deploy),
        now: at(now),
    };
    stage.rehearse().expect("sound rings and times").is_good()
}

/// When `ring retire` lets the old secret go, if the new one seals from this time.
pub fn may_go(from: u32, deploy: u32) -> u32 {
    seconds(timing(deploy).may_go(at(from)).unix_timestamp())
}
