//! Arbitrary ring text: a refusal shows no secret, accepted text means the same after it is written and read again, and
//! its meaning agrees with a small reader in this file.
//!
//! Input: the text. The characters U+0001 to U+0008 mean written keys, whose checksum no mutation could make.

use std::sync::LazyLock;

use sealed_session::KeyRing;
use sealed_session::keys::{KeyId, Role};

use crate::fixtures::{at, key, rows, text, texts};

static WRITTEN: LazyLock<Vec<String>> = LazyLock::new(|| {
    (200..208)
        .map(|number| key(number).write_with_secret().expose().to_owned())
        .collect()
});

pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut expanded = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{1}'..='\u{8}' => expanded.push_str(&WRITTEN[character as usize - 1]),
            other => expanded.push(other),
        }
    }
    let text = expanded;
    match KeyRing::parse(&text) {
        Ok(ring) => means_what_it_says(&ring, &text),
        Err(error) => {
            let shown = format!("{error} {error:?}");
            shows_no_secret(&shown, &text);
            assert!(
                error.to_string().len() < 300 && !error.to_string().ends_with('.'),
                "{error}"
            );
        }
    }
}

fn means_what_it_says(ring: &KeyRing, text: &str) {
    let written = ring.write_with_secrets();
    let again = KeyRing::parse(written.expose()).expect("what was written");
    assert_eq!(again.describe(), ring.describe());
    assert_eq!(again.write_with_secrets().expose(), written.expose());
    shows_no_secret(&format!("{ring:?} {:?}", ring.describe()), text);

    // The order of entries, comments and blank entries do not matter.
    let mut entries: Vec<&str> = entries(text);
    assert_eq!(entries.len(), ring.describe().len());
    entries.reverse();
    let reversed = KeyRing::parse(&entries.join(" ;; # entry; seal\n")).expect("the same entries");
    assert_eq!(reversed.describe(), ring.describe());

    // Of the `seal` entries whose time has come, the latest seals.
    let mut instants = vec![0, 1, 253_402_300_799];
    instants.extend(ring.describe().iter().filter_map(|key| seals_from(key.role)));
    for now in instants
        .clone()
        .into_iter()
        .chain(instants.iter().map(|now| now.saturating_sub(1)))
    {
        let passed = ring
            .describe()
            .into_iter()
            .filter_map(|key| Some((seals_from(key.role)?, key.id)));
        let (_, expected): (u64, KeyId) = passed.filter(|&(from, _)| from <= now).max().expect("one seals from 0");
        assert_eq!(ring.sealing_key_at(at(now)), expected, "{now}");
    }
}

fn seals_from(role: Role) -> Option<u64> {
    match role {
        Role::Seal => Some(0),
        Role::SealFrom(instant) => Some(instant.unix_timestamp().try_into().expect("after 1970")),
        _ => None,
    }
}

fn entries(text: &str) -> Vec<&str> {
    let lines = text.split('\n').map(|line| line.split('#').next().unwrap_or_default());
    lines
        .flat_map(|line| line.split(';'))
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .collect()
}

/// No sixteen consecutive hexadecimal digits of the input; a key id has eight.
fn shows_no_secret(shown: &str, text: &str) {
    for run in text
        .split(|character: char| !character.is_ascii_hexdigit())
        .filter(|run| run.len() >= 16)
    {
        assert!(!shown.contains(&run[..16]), "{shown} shows {run}");
    }
}

/// The written rings of the vectors, and the rings of their tokens, with the standing characters.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = rows("rings").iter().map(|row| text(row, "text").into()).collect();
    for row in rows("vectors") {
        let entries = texts(row, "ring").into_iter().enumerate();
        let entries = entries.map(|(index, key)| format!("{} {key}", if index == 0 { "seal" } else { "open" }));
        seeds.push(entries.collect::<Vec<_>>().join("\n").into_bytes());
    }
    for row in rows("rings") {
        // The same with keys that the target expands, so that mutations keep their checksums.
        let mut standing = 0u8;
        let words = text(row, "text").split_inclusive([' ', '\n', ';', '\t']);
        let stand = |word: &str| match word.find("sealed1_") {
            Some(0) if word.len() >= 81 => {
                standing = standing % 8 + 1;
                format!("{}{}", char::from(standing), &word[81..])
            }
            _ => word.to_owned(),
        };
        seeds.push(words.map(stand).collect::<String>().into_bytes());
    }
    seeds.push(b"seal \x01\nseal \x02 from=9999-12-31T23:59:59-23:59".to_vec());
    seeds.push(b"seal \x01\nseal \x02 from=2026-12-01T01:00:00+01:00 # next\r\nopen \x03; open \x04".to_vec());
    seeds
}
