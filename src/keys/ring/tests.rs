//! Tests of `ring.rs`.

use super::*;

fn key(byte: u8) -> Key {
    let mut secret = [byte; 32];
    (0..20).for_each(|i| secret[i] = i as u8 ^ byte);
    Key::from_raw_secret(&secret).unwrap()
}

fn opening(ring: &KeyRing, byte: u8) -> KeyRing {
    ring.also_opening(key(byte)).unwrap()
}

fn sealing_later(ring: &KeyRing, byte: u8, from: u64) -> KeyRing {
    let ring = opening(ring, byte);
    ring.promote(key(byte).id(), Some(from_seconds(from))).unwrap()
}

fn written(byte: u8) -> String {
    key(byte).write_with_secret().expose().to_owned()
}

#[track_caller]
fn refused(text: &str, error: &str) {
    let shown = KeyRing::parse(text).expect_err(text).to_string();
    assert!(shown.contains(error), "{shown}");
    for byte in [200, 201, 202] {
        let secret = written(byte);
        assert!(!shown.contains(&secret[20..30]), "{shown} shows a secret");
    }
}

#[test]
fn bad_rings_are_refused_with_a_sentence_that_names_the_entry() {
    let (a, b) = (written(200), written(201));
    refused("", "the key ring is empty");
    refused(" # only a comment\n;;\n", "the key ring is empty");
    refused(&format!("open {a}"), "no key of the ring seals");
    refused(&format!("seal {a}\nseal {b}"), "would seal at the same time");
    refused(&format!("seal {a};open {a}"), "is in the ring twice");
    refused(
        &format!("seal {a}\n{b}"),
        "entry 2 of the key ring: a key without a role",
    );
    refused(
        &format!("seal {a}\nsign {b}"),
        "entry 2 of the key ring: its role is unknown",
    );
    refused(
        &format!("seal {a}\nSEAL {b}"),
        "entry 2 of the key ring: its role is unknown",
    );
    refused("seal", "entry 1");
    for ring in [format!("seal {a}"), a.clone(), format!("# comment\nseal {a}")] {
        refused(
            &format!("\u{feff}{ring}"),
            "entry 1 of the key ring: a byte order mark is before it",
        );
    }
    refused(
        &format!("seal {a}\nopne"),
        "entry 2 of the key ring: its role is unknown",
    );
    refused("seal ; open x", "entry 1 of the key ring: the key is missing");
    refused(&format!("seal {a} from=tomorrow"), "its time is written");
    refused(&format!("seal {a} 2026-12-01T00:00:00Z"), "its time is written");
    refused(
        &format!("seal {a}\nseal {b} from=1970-01-01T00:00:00Z"),
        "its time is written",
    );
    refused(
        &format!("seal {a} from=2026-12-01T00:00:00Z x"),
        "text follows the time",
    );
    refused(
        &format!("seal {a} from=2026-12-01T00:00:00Z"),
        "no key of the ring seals",
    );
    refused(
        &format!("seal {a}\nopen {b} from=2026-12-01T00:00:00Z"),
        "`open` takes a key and nothing else",
    );
    refused(&a[..a.len() - 1], "entry 1 of the key ring: a key is written");
    let mistyped = format!("{}{}", &a[..a.len() - 1], if a.ends_with('0') { '1' } else { '0' });
    refused(
        &mistyped,
        "entry 1 of the key ring: the key id in the written key is not the one of its secret",
    );
    refused(
        &format!("seal {b}\nopen {mistyped}"),
        "entry 2 of the key ring: the key id in the written key is not the one of its secret",
    );
    let from = "from=2026-12-01T00:00:00Z";
    refused(
        &format!("seal {a}\nseal {b} {from}\nseal {} {from}", written(202)),
        "would seal at the same time",
    );
}

#[test]
fn the_latest_sealing_key_whose_time_has_come_seals() {
    let ring = sealing_later(&opening(&KeyRing::new(key(1)), 2), 3, 2000);
    let ring = sealing_later(&ring, 4, 1000);
    for (now, sealing) in [(0, 1), (999, 1), (1000, 4), (1999, 4), (2000, 3), (u64::MAX, 3)] {
        assert_eq!(ring.sealing(now).key.id(), key(sealing).id(), "{now}");
    }
    assert_eq!(ring.sealing_key_at(from_seconds(1500)), key(4).id());
    for byte in 1..=4 {
        assert_eq!(ring.get(key(byte).id()).unwrap().key.id(), key(byte).id());
    }
    assert!(ring.get(key(5).id()).is_none());
}

#[test]
fn a_ring_reads_back_as_written_and_describes_itself_without_secrets() {
    let ring = sealing_later(&opening(&KeyRing::new(key(1)), 2), 3, 1_796_083_200);
    let text = ring.write_with_secrets();
    assert_eq!(
        text.expose(),
        format!(
            "seal {}\nseal {} from=2026-12-01T00:00:00Z\nopen {}\n",
            written(1),
            written(3),
            written(2)
        )
    );
    let again: KeyRing = text.expose().parse().unwrap();
    assert_eq!(again.describe(), ring.describe());
    let shown = format!("{ring:?}");
    assert_eq!(
        shown,
        format!(
            "[\"seal {}\", \"seal {} from=2026-12-01T00:00:00Z\", \"open {}\"]",
            key(1).id(),
            key(3).id(),
            key(2).id()
        )
    );
}

#[test]
fn a_time_after_the_year_9999_reads_back_as_written() {
    // In UTC this time is in the year 10000, which RFC 3339 cannot write.
    let text = format!(
        "seal {}\nseal {} from=9999-12-31T23:59:59-23:59",
        written(1),
        written(2)
    );
    let ring = KeyRing::parse(&text).unwrap();
    let again = KeyRing::parse(ring.write_with_secrets().expose()).unwrap();
    assert_eq!(again.describe(), ring.describe());
    assert_eq!(ring.describe()[1].role, Role::SealFrom(from_seconds(253_402_300_799)));
}

#[test]
fn a_time_at_or_before_1970_reads_back_as_written() {
    for instant in [from_seconds(0), OffsetDateTime::UNIX_EPOCH - time::Duration::days(1)] {
        let ring = opening(&KeyRing::new(key(1)), 2);
        let ring = ring.promote(key(2).id(), Some(instant)).unwrap();
        let again = KeyRing::parse(ring.write_with_secrets().expose()).unwrap();
        assert_eq!(again.describe(), ring.describe());
        assert_eq!(again.sealing(1).key.id(), ring.sealing(1).key.id());
    }
}

/// The ids of the keys, each with its role.
fn roles(ring: &KeyRing) -> Vec<(KeyId, Role)> {
    ring.describe().iter().map(|key| (key.id, key.role)).collect()
}

#[test]
fn a_promotion_demotes_every_other_key_and_a_retired_one_goes() {
    let before = sealing_later(&opening(&KeyRing::new(key(1)), 2), 3, 9);
    let was = roles(&before);
    let ring = before.promote(key(2).id(), None).unwrap();
    assert_eq!(roles(&ring)[0], (key(2).id(), Role::Seal));
    assert!(roles(&ring)[1..].iter().all(|&(_, role)| role == Role::Open) && roles(&ring).len() == 3);
    assert_eq!(ring.sealing(u64::MAX).key.id(), key(2).id());
    let ring = ring.without(key(1).id()).unwrap().without(key(3).id()).unwrap();
    assert_eq!(roles(&ring), [(key(2).id(), Role::Seal)]);
    assert_eq!(roles(&before), was, "the first ring is as it was");
    let again = ring.promote(key(2).id(), None).unwrap();
    assert_eq!(roles(&again), roles(&ring), "it seals already");
}

#[test]
fn a_promotion_for_later_leaves_the_other_keys_as_they_are() {
    let ring = sealing_later(&opening(&KeyRing::new(key(1)), 2), 3, 9);
    let instant = from_seconds(20) + time::Duration::milliseconds(999);
    let later = ring.promote(key(2).id(), Some(instant)).unwrap();
    let expected = [
        (key(1).id(), Role::Seal),
        (key(3).id(), Role::SealFrom(from_seconds(9))),
        (key(2).id(), Role::SealFrom(from_seconds(20))),
    ];
    assert_eq!(roles(&later), expected);
    let moved = later.promote(key(3).id(), Some(from_seconds(30))).unwrap();
    assert_eq!(roles(&moved)[2], (key(3).id(), Role::SealFrom(from_seconds(30))));
}

#[test]
fn a_change_that_is_refused_leaves_the_ring() {
    let ring = sealing_later(&opening(&KeyRing::new(key(1)), 2), 3, 9);
    let was = ring.write_with_secrets();
    let (base, unknown) = (key(1).id(), key(5).id());
    let nine = Some(from_seconds(9));
    assert!(matches!(ring.promote(unknown, None), Err(KeyError::NoSuchKey { id }) if id == unknown));
    assert!(matches!(ring.promote(unknown, nine), Err(KeyError::NoSuchKey { id }) if id == unknown));
    assert!(matches!(ring.without(unknown), Err(KeyError::NoSuchKey { id }) if id == unknown));
    assert!(matches!(ring.promote(base, nine), Err(KeyError::TwoSeal { .. })));
    assert!(matches!(ring.promote(key(2).id(), nine), Err(KeyError::TwoSeal { .. })));
    let twenty = Some(from_seconds(20));
    assert!(matches!(ring.promote(base, twenty), Err(KeyError::NothingSeals)));
    assert!(matches!(ring.without(base), Err(KeyError::NothingSeals)));
    assert!(matches!(KeyRing::new(key(1)).without(base), Err(KeyError::EmptyRing)));
    for byte in 1..=3 {
        let same = ring.also_opening(key(byte));
        assert!(matches!(same, Err(KeyError::SameId { id }) if id == key(byte).id()));
    }
    assert_eq!(ring.write_with_secrets().expose(), was.expose());
}

#[test]
fn changed_rings_share_their_secrets() {
    let ring = opening(&KeyRing::new(key(1)), 2);
    let changed = ring.promote(key(2).id(), None).unwrap();
    for byte in [1, 2] {
        let of = |ring: &KeyRing| std::ptr::from_ref(ring.get(key(byte).id()).unwrap().key.root());
        assert_eq!(of(&ring), of(&changed));
    }
}
