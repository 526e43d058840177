//! Tests of `event.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// The samples; a variant without one does not compile.
macro_rules! samples {
    ($($variant:pat => $($sample:expr),+;)*) => {{
        let _every_variant = |event: &Event| match event {
            $($variant => {})*
        };
        vec![$($($sample),+),*]
    }};
}

/// One event of every variant, and of every level that it may have.
pub(crate) fn one_of_each() -> Vec<Event> {
    let (id, previous) = (SessionId([1; 8]), SessionId([2; 8]));
    let (key_id, other) = (KeyId([3; 4]), KeyId([4; 4]));
    let reason = Reason::UnknownKey;
    samples! {
        Event::Started { .. } => Event::Started { id };
        Event::Updated { .. } => Event::Updated { id };
        Event::Cycled { .. } => Event::Cycled { id, previous };
        Event::Touched { .. } => Event::Touched { id };
        Event::Ended { .. } => Event::Ended { id: Some(id) }, Event::Ended { id: None };
        Event::Rejected { .. } =>
            Event::Rejected { reason, id: None, key_id: Some(key_id) },
            Event::Rejected { reason: Reason::Malformed, id: None, key_id: None },
            Event::Rejected { reason: Reason::Idle, id: Some(id), key_id: Some(key_id) };
        Event::ManyRejected { .. } =>
            Event::ManyRejected { reason, count: 41, total: 71, key_ids: vec![key_id, other] },
            Event::ManyRejected { reason: Reason::Malformed, count: 41, total: 71, key_ids: vec![] };
        Event::Bound { .. } => Event::Bound { id };
        Event::Proven { .. } => Event::Proven { id };
        Event::Unproven { .. } => Event::Unproven { id };
        Event::ProofRefused { .. } =>
            Event::ProofRefused { step: "signature", reason: None, id: Some(id) },
            Event::ProofRefused { step: "device key", reason: Some(reason), id: None };
        Event::DuplicatesSeen { .. } => Event::DuplicatesSeen { count: 2 };
        Event::Adopted { .. } => Event::Adopted { id, total: 3 };
        Event::NotAdopted { .. } =>
            Event::NotAdopted { reason: Reason::NotOurs, id: None, total: 4 },
            Event::NotAdopted { reason: Reason::Malformed, id: None, total: 4 },
            Event::NotAdopted { reason: Reason::Expired, id: None, total: 4 },
            Event::NotAdopted { reason: Reason::Payload, id: Some(id), total: 4 },
            Event::NotAdopted { reason: Reason::Revoked, id: Some(id), total: 4 };
        Event::ChunkMissing { .. } => Event::ChunkMissing { chunk: 2, chunks: 3 };
        Event::TooLarge { .. } => Event::TooLarge { size: 5000, limit: 4096, option: "chunks" };
        Event::ReadTooLate => Event::ReadTooLate;
        Event::WriteTooLate => Event::WriteTooLate;
        Event::WriteDiscarded { .. } => Event::WriteDiscarded { status: 304 };
        Event::EndedMeanwhile { .. } => Event::EndedMeanwhile { id };
        Event::FinishIgnored => Event::FinishIgnored;
        Event::Revoked { .. } => Event::Revoked { id };
        Event::CutOffRaised { .. } => Event::CutOffRaised { to: 1_800_000_000 };
        Event::RevocationsNearlyFull { .. } => Event::RevocationsNearlyFull { entries: 800, most: 1000 };
        Event::RevocationsFull { .. } => Event::RevocationsFull { dropped: 50, most: 1000 };
        Event::RevocationFilePutAside { .. } =>
            Event::RevocationFilePutAside { path: "revoked.1".into(), error: RevocationsError::Length };
        Event::RevocationFileNotWritten { .. } =>
            Event::RevocationFileNotWritten { path: "revoked".into(), kind: io::ErrorKind::StorageFull };
        Event::RevocationStoreLost { .. } => Event::RevocationStoreLost { error: "connection refused".into() };
        Event::RevocationStoreRecovered => Event::RevocationStoreRecovered;
        Event::RevocationStoreNotRead => Event::RevocationStoreNotRead;
        Event::RevocationStoreRestored { .. } => Event::RevocationStoreRestored { entries: 7 };
        Event::RevocationStoreClock { .. } => Event::RevocationStoreClock { ahead: -360 };
        Event::RevocationStoreRefused { .. } => Event::RevocationStoreRefused { error: "not a list".into() };
        Event::KeysInUse { .. } =>
            Event::KeysInUse { seals: key_id, opens: vec![other, KeyId([5; 4])] },
            Event::KeysInUse { seals: key_id, opens: vec![] };
        Event::KeyDropped { .. } =>
            Event::KeyDropped { key_id, in_use: true }, Event::KeyDropped { key_id, in_use: false };
        Event::KeyFileCreated { .. } => Event::KeyFileCreated { path: "keys.txt".into(), key_id };
        Event::KeysReloadFailed { .. } => Event::KeysReloadFailed { error: "the key ring is empty".into() };
        Event::KeysReloadRecovered => Event::KeysReloadRecovered;
        Event::PublicRemoved => Event::PublicRemoved;
        Event::LargeHeaderBlock { .. } => Event::LargeHeaderBlock { bytes: 5000 };
        Event::DevelopmentCookie => Event::DevelopmentCookie;
    }
}

fn fields(event: &Event) -> BTreeMap<&'static str, String> {
    let mut fields = BTreeMap::new();
    event.fields(&mut |name, value| {
        let twice = fields.insert(name, value.to_string());
        assert!(twice.is_none(), "{name} in {event:?}");
    });
    fields
}

/// The name and the fields are those of the variant, as `Debug` writes it.
#[test]
fn names_and_fields_are_those_of_the_variants() {
    for event in one_of_each() {
        let shown = format!("{event:?}");
        let (name, rest) = shown.split_at(shown.find(' ').unwrap_or(shown.len()));
        assert_eq!(event.name(), name);
        let words = rest.split([' ', '{']).filter_map(|word| word.strip_suffix(':'));
        let named: BTreeSet<&str> = words.filter(|&word| !rest.contains(&format!("{word}: None"))).collect();
        assert_eq!(fields(&event).into_keys().collect::<BTreeSet<_>>(), named, "{shown}");
    }
}

#[test]
fn fields_are_written_as_logs_need_them() {
    let values: Vec<_> = one_of_each().iter().map(fields).collect();
    let has = |name, value: &str| values.iter().any(|of| of.get(name).is_some_and(|found| found == value));
    assert!(has("reason", "unknown key") && has("key_id", "03030303") && has("id", "0101010101010101"));
    assert!(has("opens", "04040404,05050505") && has("opens", "") && has("key_ids", "03030303,04040404"));
    assert!(
        has("count", "41") && has("in_use", "true") && has("error", "the key ring is empty") && has("path", "keys.txt")
    );
}

#[test]
fn the_sentence_is_one() {
    for event in one_of_each() {
        let text = event.to_string();
        let first = text.chars().next().expect("a sentence has characters");
        assert!(
            !first.is_uppercase() && !text.ends_with('.') && text.len() > 15,
            "{text}"
        );
    }
    let unknown = one_of_each().into_iter().find(|event| event.name() == "Rejected");
    assert!(
        unknown.is_some_and(|event| event.to_string().contains("03030303")),
        "the key that it names"
    );
}

/// An event that any client can cause with every request is no line in a usual log.
#[test]
fn made_up_cookies_are_for_debugging_alone() {
    for event in one_of_each() {
        let is_made_up = match &event {
            Event::Rejected { id, .. } => id.is_none(),
            Event::ProofRefused { id, .. } => id.is_none(),
            Event::DuplicatesSeen { .. } => true,
            _ => continue,
        };
        assert_eq!(event.level() == Level::Debug, is_made_up, "{event:?}");
    }
    assert!(Level::Debug < Level::Info && Level::Info < Level::Warn && Level::Warn < Level::Error);
}

/// The table of `docs/operating.md` has every event with its levels and fields, for the people who run the servers.
#[test]
fn the_table_for_operators_has_every_event_with_its_levels_and_fields() {
    let (_, table) = include_str!("../../../docs/operating.md")
        .split_once("| event | level | fields |")
        .expect("the page has the table");
    let mut listed = BTreeMap::new();
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim()).collect();
        let words = |cell: &str| -> BTreeSet<String> {
            let words = cell.split([',', ' ']).filter(|word| !word.is_empty() && *word != "or");
            words.map(|word| word.trim_matches('`').to_owned()).collect()
        };
        for name in words(cells[1]) {
            let before = listed.insert(name, (words(cells[2]), words(cells[3])));
            assert!(before.is_none(), "{row}");
        }
    }
    let mut expected: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for event in one_of_each() {
        let (levels, names) = expected.entry(event.name().to_owned()).or_default();
        levels.insert(event.level().to_string());
        names.extend(fields(&event).into_keys().map(str::to_owned));
    }
    assert_eq!(listed, expected);
}
