//! Registrations and refreshes as Chromium sent them: `lab/browsers/device --record` writes the file.

use std::time::Duration;

use sealed_session::device::{Answer, DeviceBinding, DeviceState};
use sealed_session::{Key, KeyRing, Lifetime, RequestFields, Sessions};
use serde_json::Value;
use testkit::{at, number, rows, text, unhex};

struct Recorded {
    sessions: Sessions<Value>,
    rows: Vec<Value>,
}

/// With the options of the origin that Chromium visited.
fn recorded(audience: Option<&str>) -> Recorded {
    const DAY: Duration = Duration::from_secs(86_400);
    let file: Value = serde_json::from_str(include_str!("../data/device_proofs.json")).unwrap();
    let ring = KeyRing::new(Key::from_raw_secret(&unhex(text(&file, "secret"))).unwrap());
    let lifetime = Duration::from_secs(number(&file, "proof_lifetime"));
    let sessions = Sessions::builder(ring)
        .audience(audience.unwrap_or_else(|| text(&file, "audience")))
        .remembered(Lifetime::absolute(30 * DAY).idle(7 * DAY))
        .device_binding(DeviceBinding::at("/device").proof_lifetime(lifetime))
        .build()
        .unwrap();
    let rows = rows(&file, "rows").to_vec();
    assert!(rows.len() > 10, "{} rows", rows.len());
    Recorded { sessions, rows }
}

fn is_register(row: &Value) -> bool {
    text(row, "endpoint") == "register"
}

/// The answer to a row with another proof, so many seconds later.
fn answer(sessions: &Sessions<Value>, row: &Value, proof: Option<&str>, later: u64) -> Answer {
    let fields = RequestFields::from_cookies([text(row, "cookies").to_owned()]);
    let now = at(number(row, "now") + later);
    match is_register(row) {
        true => sessions.register_device_at(&fields, proof, now),
        false => sessions.refresh_device_at(&fields, row["identifier"].as_str(), proof, now),
    }
}

/// The rows whose proof is accepted.
fn accepted(rows: &[Value]) -> impl Iterator<Item = (&Value, &str)> {
    rows.iter()
        .filter(|row| row["status"] == 200)
        .map(|row| (row, text(row, "proof")))
}

#[test]
fn each_request_of_the_browser_is_answered_as_it_was() {
    let Recorded { sessions, rows } = recorded(None);
    for (number, row) in rows.iter().enumerate() {
        let answer = answer(&sessions, row, row["proof"].as_str(), 0);
        assert_eq!(row["status"], answer.status(), "row {number}");
    }
}

#[test]
fn a_registration_gives_the_identifier_that_the_browser_sends_from_then_on() {
    let Recorded { sessions, rows } = recorded(None);
    for (row, proof) in accepted(&rows).filter(|(row, _)| is_register(row)) {
        let answer = answer(&sessions, row, Some(proof), 0);
        let instructions: Value = serde_json::from_str(answer.body()).unwrap();
        let identifier = text(&instructions, "session_identifier");
        assert!(rows.iter().any(|row| row["identifier"] == identifier));
    }
}

#[test]
fn a_session_is_proven_after_a_refresh() {
    let Recorded { sessions, rows } = recorded(None);
    for (row, proof) in accepted(&rows).filter(|(row, _)| !is_register(row)) {
        let answer = answer(&sessions, row, Some(proof), 0);
        let mut cookies = vec![text(row, "cookies").to_owned()];
        let lines = answer.headers().filter(|(name, _)| *name == "Set-Cookie");
        cookies.extend(lines.map(|(_, line)| line.split(';').next().unwrap().to_owned()));
        let session = sessions.load_at(RequestFields::from_cookies(cookies), at(number(row, "now")));
        assert_eq!(session.device(), DeviceState::Proven);
        assert!(session.get().is_some());
    }
}

#[test]
fn a_changed_late_or_misplaced_proof_is_refused() {
    let Recorded { sessions, rows } = recorded(None);
    let elsewhere = recorded(Some("another application")).sessions;
    let other_endpoint = |row| accepted(&rows).find(|(other, _)| is_register(other) != is_register(row));
    for (row, proof) in accepted(&rows) {
        let status = |sessions, proof: &str, later| answer(sessions, row, Some(proof), later).status();
        let (changed_signature, changed_payload) =
            (flipped(proof, proof.len() - 40), flipped(proof, proof.len() - 100));
        let (register, signature, challenge) = match is_register(row) {
            true => (true, 400, 400),
            false => (false, 401, 403),
        };
        assert_eq!(status(&sessions, &changed_signature, 0), signature);
        // A byte of the challenge, or of its JSON.
        assert_eq!(status(&sessions, &changed_payload, 0), challenge);
        // The challenge ends after 60 seconds.
        assert_eq!(status(&sessions, proof, 59), 200);
        assert_eq!(status(&sessions, proof, 60), challenge);
        assert_eq!(status(&elsewhere, proof, 0), if register { 400 } else { 401 });
        let (_, of_other) = other_endpoint(row).unwrap();
        assert_eq!(status(&sessions, of_other, 0), challenge);
    }
}

/// The text with another letter at this place.
fn flipped(text: &str, at: usize) -> String {
    let letter = if text[at..].starts_with('A') { "B" } else { "A" };
    format!("{}{letter}{}", &text[..at], &text[at + 1..])
}
