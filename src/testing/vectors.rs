//! Single tokens of device binding, for the vectors in `tests/data`: no part of the public API.

use std::sync::Arc;

use crate::error::Reason;
use crate::ids::DeviceName;
use crate::keys::KeyRing;
use crate::keys::day_keys::Place;
use crate::keys::key::push_hex;
use crate::token::PlacedRing;
use crate::token::envelope::Kind;

/// Opens a token of the kind that the vectors name so, at the place that the kind has. Returns the fields by name, ids
/// and points in hexadecimal digits.
#[expect(clippy::too_many_arguments, reason = "a row of the vectors has so many")]
pub fn open_token(
    ring: &Arc<KeyRing>,
    name: &str,
    audience: &str,
    kind: &str,
    text: &str,
    bind: &[u8],
    proof_lifetime: u64,
    now: u64,
) -> Result<Vec<(&'static str, String)>, Reason> {
    let placed = |suffix: &str| {
        let place = Place::new(&format!("{name}-{suffix}"), audience).expect("the rows have names that fit");
        PlacedRing::new(Arc::clone(ring), place)
    };
    let text = text.as_bytes();
    let fields = match kind {
        "0x03" => {
            let ring = placed("seen");
            let screened = ring.screen_activity_of(Kind::BoundActivity, text, now)?;
            let activity = ring.open_activity(&screened.decode()?, bind)?;
            let DeviceName(device) = activity.device.expect("it is of a bound session");
            vec![
                ("session_id", activity.head.session_id.to_string()),
                ("device", hex(&device)),
            ]
        }
        "0x04" => {
            let ring = placed("proof");
            let proof = ring.open_proof(&ring.screen_proof(text, now)?, bind, proof_lifetime, now)?;
            vec![("device", hex(&proof.device.0)), ("proven", proof.proven.to_string())]
        }
        "0x05" => {
            let registered = placed("key").open_key(text, bind, now)?;
            let (id, key) = (registered.session_id.to_string(), registered.key);
            vec![
                ("session_id", id),
                ("point", hex(&key.point())),
                ("device", hex(&key.name())),
            ]
        }
        "0x06 register" => {
            let id = placed("register").open_challenge_to_register(text, bind, now)?;
            vec![("session_id", id.to_string())]
        }
        _ => {
            let DeviceName(device) = placed("refresh").open_challenge_to_refresh(text, bind, now)?;
            vec![("device", hex(&device))]
        }
    };
    Ok(fields)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    push_hex(&mut text, bytes);
    text
}
