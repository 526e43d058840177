//! The rows of `tests/data/next.json` that write with a given salt. (`tests/vectors/next.rs` opens the others.)

use serde_json::Value;
use sha2::{Digest, Sha256};
use testkit::{next_vectors, number, rows, text, texts, unhex};

use super::*;
use crate::keys::Key;
use crate::session::lifetime::Lifetime;
use crate::token::State;
use crate::token::envelope::SALT_LEN;

/// The cookies of a session in at most four, with the lengths and hashes of their values.
fn written(row: &Value) -> Option<Vec<(String, usize, String)>> {
    let secret = Key::from_raw_secret(&unhex(texts(row, "ring")[0])).unwrap();
    let builder = Sessions::<()>::builder(KeyRing::new(secret)).cookie_name(text(row, "name"));
    let builder = builder
        .audience(text(row, "audience"))
        .lifetime(Lifetime::default().without_idle());
    let sessions = builder.chunks(4).largest_cookies(usize::MAX).build().unwrap();
    let (config, session) = (sessions.config(), &row["session"]);
    let payload = format!(
        "\"{}\"",
        "x".repeat(usize::try_from(number(session, "payload_bytes")).unwrap() - 2)
    );
    let layout = config.layout(payload.len(), 0).ok()?;
    let seconds = |field| u32::try_from(number(session, field)).unwrap();
    let state = State {
        session_id: SessionId(unhex(text(session, "session_id")).try_into().unwrap()),
        expires: seconds("expires").into(),
        frame: Frame {
            started: seconds("started"),
            sealed: seconds("sealed"),
            remembered: number(session, "flags") == 1,
        },
        payload: payload.as_bytes(),
        padding: layout.padding,
        chunks: layout.chunks,
    };
    let salt: [u8; SALT_LEN] = unhex(text(session, "salt")).try_into().unwrap();
    let (bind, now) = (unhex(text(row, "bind")), number(row, "now"));
    let mut token = String::new();
    let keys = sessions.keys();
    keys.session
        .seal_session(&state, &bind, now, &salt, &mut token)
        .unwrap();
    let name = text(row, "name").to_owned();
    if layout.chunks == 1 {
        return Some(vec![cookie(name, &token)]);
    }
    let (first, others) = config.lengths().cut(&token);
    let others = others.map(|(number, tie, rest)| cookie(format!("{name}.{number}"), &format!("{tie}{rest}")));
    Some([cookie(name.clone(), first)].into_iter().chain(others).collect())
}

fn cookie(name: String, value: &str) -> (String, usize, String) {
    let hash = Sha256::digest(value);
    (
        name,
        value.len(),
        hash.iter().map(|byte| format!("{byte:02x}")).collect(),
    )
}

fn expected(row: &Value) -> Option<Vec<(String, usize, String)>> {
    let cookies = row["expect"].get("cookies")?;
    Some(serde_json::from_value(cookies.clone()).unwrap())
}

#[test]
fn every_session_in_chunks_is_written_to_the_byte() {
    let file = next_vectors();
    let writes = rows(&file, "rows").iter().filter(|row| row["op"] == "write");
    let count = writes
        .map(|row| assert_eq!(written(row), expected(row), "row {}: {}", row["id"], row["shows"]))
        .count();
    println!("vectors: {count} sessions in chunks written to the byte");
    assert!(count > 0);
}
