//! A ring as it is now: what each key does, as text and as JSON.

use std::fmt::Write as _;
use std::path::Path;

use sealed_session::KeyRing;
use sealed_session::keys::{KeyId, Role};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::answer::Answer;
use crate::instants::written;
use crate::schedule::{Sealing, sealing, seals_from};
use crate::values::relative;

/// The ring as it is now, after `done` was done to `key`, if anything was.
pub(crate) fn answer(
    file: &Path,
    key: Option<KeyId>,
    ring: &KeyRing,
    now: OffsetDateTime,
    done: Option<&str>,
) -> Answer {
    let mut human = String::new();
    if let (Some(key), Some(done)) = (key, done) {
        // Writing into a `String` cannot fail.
        let _ = writeln!(human, "{key}: {done}");
    }
    let keys = ring.describe();
    let _ = writeln!(
        human,
        "{}: {} {}",
        file.display(),
        keys.len(),
        if keys.len() == 1 { "key" } else { "keys" }
    );
    for key in &keys {
        let _ = writeln!(human, "  {}  {}", key.id, role(ring, key.id, key.role, now));
    }
    let machine = json!({
        "file": file.display().to_string(),
        "changed": done.is_some(),
        "key": key.map(|key| key.to_string()),
        "sealing_key": ring.sealing_key_at(now).to_string(),
        "keys": keys.iter().map(|key| key_json(ring, key.id, key.role)).collect::<Vec<_>>(),
    });
    Answer::new(true, human, machine)
}

/// What a key does now, as text.
pub(crate) fn role(ring: &KeyRing, id: KeyId, role: Role, now: OffsetDateTime) -> String {
    let until = match sealing(ring, id) {
        Sealing::Until(until) => Some(until),
        _ => None,
    };
    let shown = |instant| format!("{} ({})", written(instant), relative(instant, now));
    match (seals_from(role), until) {
        (None, _) => "only opens".into(),
        (Some(_), Some(until)) if until <= now => format!("opens; sealed until {}", shown(until)),
        (Some(from), _) if from > now => format!("opens; seals from {}", shown(from)),
        (Some(_), Some(until)) => format!("seals, until {}", shown(until)),
        (Some(_), None) => "seals".into(),
    }
}

/// What a key does, as JSON.
pub(crate) fn key_json(ring: &KeyRing, id: KeyId, role: Role) -> Value {
    let from = match role {
        Role::SealFrom(instant) => Some(written(instant)),
        _ => None,
    };
    let until = match sealing(ring, id) {
        Sealing::Until(until) => Some(written(until)),
        _ => None,
    };
    json!({
        "id": id.to_string(),
        "role": if role == Role::Open { "open" } else { "seal" },
        "seals_from": from,
        "seals_until": until,
    })
}
