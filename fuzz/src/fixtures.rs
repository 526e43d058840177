//! The vectors as the targets use them, and small helpers around the public API.

use std::sync::LazyLock;
use std::time::Duration;

use sealed_session::{Builder, Key, KeyRing, Lifetime, SessionData, SessionId, Sessions};
use serde_json::Value;
pub use testkit::{at, key, unhex};

/// The smallest cache of opened sessions.
pub const SMALL_CACHE: usize = 64 * 1024;

/// `tests/data/v1.json`.
pub static VECTORS: LazyLock<Value> = LazyLock::new(testkit::vectors);

/// The rows of one part of the vectors; an empty part is a broken file.
pub fn rows(part: &str) -> &'static [Value] {
    let rows = VECTORS[part].as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(!rows.is_empty(), "no rows under {part}");
    rows
}

pub fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field]
        .as_str()
        .unwrap_or_else(|| panic!("no text {field} in {row}"))
}

pub fn number(row: &Value, field: &str) -> u64 {
    row[field]
        .as_u64()
        .unwrap_or_else(|| panic!("no number {field} in {row}"))
}

pub fn texts<'a>(row: &'a Value, field: &str) -> Vec<&'a str> {
    let list = row[field]
        .as_array()
        .unwrap_or_else(|| panic!("no list {field} in {row}"));
    list.iter().map(|text| text.as_str().expect("a text")).collect()
}

pub fn row_ring(row: &Value) -> KeyRing {
    let mut keys = texts(row, "ring")
        .into_iter()
        .map(|key| Key::parse(key).expect("a key"));
    let first = KeyRing::new(keys.next().expect("at least one key"));
    keys.fold(first, |ring, key| ring.also_opening(key).expect("different keys"))
}

/// The configuration of a row.
pub fn row_builder<T: SessionData>(row: &Value) -> Builder<T> {
    let limits = &row["limits"];
    let seconds = |field| limits[field].as_u64().map(Duration::from_secs);
    let lifetime = |idle: Option<Duration>, absolute| match idle {
        Some(idle) => Lifetime::absolute(absolute).idle(idle),
        None => Lifetime::absolute(absolute).without_idle(),
    };
    let absolute = seconds("absolute").expect("an absolute timeout");
    let builder = Sessions::<T>::builder(row_ring(row))
        .cookie_name(text(row, "name"))
        .audience(text(row, "audience"))
        .lifetime(lifetime(seconds("idle"), absolute));
    match seconds("remembered_absolute") {
        Some(absolute) => builder.remembered(lifetime(seconds("remembered_idle"), absolute)),
        None => builder,
    }
}

/// Sessions that keep so many bytes of what they opened.
pub fn row_sessions(row: &Value, opened_cache: usize) -> Sessions<Value> {
    let builder = row_builder(row).opened_cache(opened_cache);
    ended(row, builder.build().expect("the vectors are configured well"))
}

/// These sessions after the cut-off and the revocations of a row.
pub fn ended<T: SessionData>(row: &Value, sessions: Sessions<T>) -> Sessions<T> {
    sessions.raise_cut_off(at(number(row, "cut_off")));
    for id in texts(row, "revoked") {
        sessions.revoke(SessionId::from_bytes(unhex(id).try_into().expect("8 bytes")));
    }
    sessions
}
