//! The vectors of format v1 as a server meets them: cookies in, a session or the named reason out.
//!
//! `VECTORS=other.json cargo test --test vectors` runs another file; `NEXT_VECTORS` does so for device binding. Sealing, byte for byte, is in `src/token/vectors.rs`,
//! since it needs a chosen salt.

#[cfg(feature = "device")]
mod next;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealed_session::edge::Claims;
use sealed_session::{Event, Key, KeyRing, Lifetime, RequestFields, SessionId, SessionState, Sessions};
use serde_json::Value;
use testkit::{at, number, rows, text, texts, unhex, vectors};

/// Whether a `Cookie` field can carry it: readers of one trim spaces and tabs around the value, and split at semicolons.
/// (`src/token/vectors.rs` opens all rows as bare tokens too.)
fn fits_in_a_cookie(token: &str) -> bool {
    token.trim_matches([' ', '\t']) == token && !token.contains(';')
}

fn ring(row: &Value) -> KeyRing {
    let keys = texts(row, "ring").into_iter();
    let mut keys = keys.map(|key| Key::parse(key).expect("a key"));
    let first = KeyRing::new(keys.next().expect("at least one key"));
    keys.fold(first, |ring, key| ring.also_opening(key).expect("different keys"))
}

/// The reasons of failures before the end of step 6 of opening.
const NOT_GENUINE: [&str; 7] = [
    "malformed",
    "unknown version",
    "expired",
    "expires too far",
    "unknown key",
    "not ours",
    "damaged",
];

fn sessions(row: &Value, observer: impl Fn(&Event) + Send + Sync + 'static) -> Sessions<Value> {
    let limits = &row["limits"];
    let seconds = |field| limits[field].as_u64().map(Duration::from_secs);
    let absolute = Lifetime::absolute(seconds("absolute").expect("an absolute timeout"));
    let builder = Sessions::<Value>::builder(ring(row))
        .cookie_name(text(row, "name"))
        .audience(text(row, "audience"))
        .observer(observer)
        .lifetime(match seconds("idle") {
            Some(idle) => absolute.idle(idle),
            None => absolute.without_idle(),
        });
    let builder = match (seconds("remembered_idle"), seconds("remembered_absolute")) {
        (Some(idle), Some(absolute)) => builder.remembered(Lifetime::absolute(absolute).idle(idle)),
        (None, Some(absolute)) => builder.remembered(Lifetime::absolute(absolute).without_idle()),
        (_, None) => builder,
    };
    let sessions = builder.build().unwrap_or_else(|error| panic!("{}: {error}", row["id"]));
    sessions.raise_cut_off(at(number(row, "cut_off")));
    for id in texts(row, "revoked") {
        let id = unhex(id);
        sessions.revoke(SessionId::from_bytes(id.try_into().expect("8 bytes")));
    }
    sessions
}

#[test]
fn every_token_opens_or_is_rejected_for_the_named_reason() {
    let file = vectors();
    let rows = rows(&file, "vectors");
    for row in rows {
        let id = &row["id"];
        let events = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&events);
        let sessions = sessions(row, move |event| {
            told.lock().expect("no panic before").push(event.clone());
        });
        let name = text(row, "name");
        if !fits_in_a_cookie(text(row, "token")) {
            let reason = Claims::parse(text(row, "token")).expect_err("no token has a space or a semicolon");
            assert_eq!(reason.name(), text(row, "expect"), "row {id}: {}", row["comment"]);
            continue;
        }
        let mut lines = vec![format!("{name}={}", text(row, "token"))];
        lines.extend(texts(row, "seen").iter().map(|token| format!("{name}-seen={token}")));
        let fields = RequestFields::from_cookies(lines).with_bind(unhex(text(row, "bind")));
        let mut session = sessions.load_at(fields, at(number(row, "now")));
        let outcome = match session.state() {
            SessionState::Valid => "ok",
            SessionState::Rejected(reason) => reason.name(),
            other => panic!("{id}: {other:?}"),
        };
        assert_eq!(outcome, text(row, "expect"), "row {id}: {}", row["comment"]);
        if outcome == "ok" {
            let payload: Value = serde_json::from_slice(&unhex(text(row, "payload"))).expect("JSON");
            assert_eq!(session.get(), Some(&payload), "row {id}");
            assert_eq!(
                session.id().map(|id| id.to_string()).as_deref(),
                row["session_id"].as_str(),
                "row {id}"
            );
            assert_eq!(session.started(), Some(at(number(row, "started"))), "row {id}");
            assert_eq!(session.is_remembered(), number(row, "flags") == 1, "row {id}");
        } else {
            assert_eq!(session.get(), None, "row {id}");
        }
        // A sign-out revokes the id of every genuine token, whatever is wrong with its session, and no other id.
        let is_genuine = !NOT_GENUINE.contains(&outcome);
        events.lock().expect("no panic before").clear();
        session.end().expect("a sign-out");
        let revoked = |event: &Event| matches!(event, Event::Revoked { .. });
        let count = events
            .lock()
            .expect("no panic before")
            .iter()
            .filter(|event| revoked(event))
            .count();
        assert_eq!(count, usize::from(is_genuine), "row {id}: {}", row["comment"]);
    }
    println!("vectors: {} tokens checked", rows.len());
}

#[test]
fn every_written_ring_is_accepted_or_refused() {
    let file = vectors();
    let rows = rows(&file, "rings");
    for row in rows {
        let written = text(row, "text");
        let outcome = KeyRing::parse(written);
        assert_eq!(
            Some(outcome.is_ok()),
            row["ok"].as_bool(),
            "{}: {outcome:?}",
            row["comment"]
        );
        match outcome {
            Ok(ring) => {
                let again = KeyRing::parse(ring.write_with_secrets().expose()).expect("what was written");
                assert_eq!(again.describe(), ring.describe(), "{}", row["comment"]);
            }
            Err(error) => {
                let shown = error.to_string();
                let secrets = written
                    .split(|c: char| !c.is_ascii_hexdigit())
                    .filter(|run| run.len() > 16);
                secrets.for_each(|secret| assert!(!shown.contains(&secret[..16]), "{shown}"));
            }
        }
    }
    println!("vectors: {} rings checked", rows.len());
}

#[test]
fn every_raw_secret_is_accepted_or_refused() {
    let file = vectors();
    let rows = rows(&file, "raw_secrets");
    for row in rows {
        let outcome = Key::from_raw_secret(&unhex(text(row, "hex")));
        assert_eq!(
            Some(outcome.is_ok()),
            row["ok"].as_bool(),
            "{}: {outcome:?}",
            row["comment"]
        );
    }
    println!("vectors: {} raw secrets checked", rows.len());
}

#[test]
fn the_vectors_are_of_format_v1_and_each_has_its_number() {
    let file = vectors();
    assert_eq!(file["format"], "sealed-session v1");
    let rows = rows(&file, "vectors");
    let numbers: BTreeSet<_> = rows.iter().map(|row| number(row, "id")).collect();
    assert_eq!(numbers.len(), rows.len(), "two rows have one number");
    let valid = rows.iter().filter(|row| text(row, "expect") == "ok").count();
    assert!(valid > 0 && valid < rows.len(), "some open, and some do not");
}
