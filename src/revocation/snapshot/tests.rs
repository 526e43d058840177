//! Tests of `snapshot.rs`.

use super::*;

fn written(cut_off: u32, entries: &[(u64, u32)]) -> Vec<u8> {
    let mut writer = Writer::new(cut_off, entries.len());
    for &(id, until) in entries {
        let id = SessionId(id.to_be_bytes());
        writer.push(Entry { id, until });
    }
    writer.finish()
}

fn refused(bytes: &[u8]) -> RevocationsError {
    Snapshot::parse(bytes).err().expect("it is refused")
}

#[test]
fn what_is_written_reads_back() {
    let bytes = written(7, &[(1, 10), (2, 20), (1 << 60, 30)]);
    let read = Snapshot::parse(&bytes).unwrap();
    let groups: Vec<_> = read
        .by_first_byte()
        .map(|(first, entries)| (first, entries.map(|entry| entry.until).collect::<Vec<_>>()))
        .collect();
    assert_eq!((read.cut_off, groups), (7, vec![(0, vec![10, 20]), (16, vec![30])]));
    assert_eq!(Snapshot::parse(&written(0, &[])).unwrap().by_first_byte().count(), 0);
}

#[test]
fn whatever_is_not_that_one_form_is_refused() {
    let good = written(7, &[(1, 10), (2, 20)]);
    for length in 0..good.len() {
        let expected = match length {
            0..4 => RevocationsError::NotAList,
            _ => RevocationsError::Length,
        };
        assert_eq!(refused(&good[..length]), expected, "{length}");
    }
    for more in [1, 11, 12, 24] {
        let longer = [&good[..], &vec![0xff; more]].concat();
        assert_eq!(refused(&longer), RevocationsError::Length, "{more}");
    }
    // The last value would be the right count if it were cut to fewer bits.
    for claim in [0, 1, 3, 1 << 60, u64::MAX, (1 << 32) + 2, (1 << 61) + 2] {
        let mut bytes = good.clone();
        bytes[COUNT..HEAD].copy_from_slice(&u64::to_be_bytes(claim));
        assert_eq!(refused(&bytes), RevocationsError::Length, "{claim}");
    }
    assert_eq!(refused(&written(7, &[(2, 10), (1, 20)])), RevocationsError::Order);
    assert_eq!(refused(&written(7, &[(1, 10), (1, 20)])), RevocationsError::Order);
    let other = [&good[..4], &[2], &good[5..]].concat();
    assert_eq!(refused(&other), RevocationsError::UnknownVersion { version: 2 });
    assert_eq!(refused(b"ssrl"), RevocationsError::NotAList);
}

/// The number of lists that are read, and the result at their end.
fn all(bytes: &[u8]) -> (usize, Result<(), RevocationsError>) {
    let (lists, result) = Snapshot::parse_all(bytes, false);
    let length: usize = lists.iter().map(|list| HEAD + ENTRY * list.entries().count()).sum();
    (lists.len(), result.map(|read| assert_eq!(read, length)))
}

#[test]
fn after_earlier_lists_the_only_list_may_be_cut_off_too() {
    let one = written(7, &[(1, 10), (2, 20)]);
    for length in 0..one.len() {
        let (lists, result) = Snapshot::parse_all(&one[..length], true);
        assert_eq!((lists.len(), result), (0, Ok(0)), "{length}");
    }
    assert_eq!(Snapshot::parse_all(&one, true).1, Ok(one.len()));
    assert_eq!(Snapshot::parse_all(b"x", true).1, Err(RevocationsError::NotAList));
}

#[test]
fn of_lists_one_after_another_only_the_end_may_be_missing() {
    let (one, other) = (
        written(7, &[(1, 10), (2, 20)]),
        written(8, &[(1, 30), (3, 40), (5, 50)]),
    );
    let both = [&one[..], &other].concat();
    for length in 0..both.len() {
        let (count, result) = all(&both[..length]);
        if length < one.len() {
            assert_eq!((count, result.is_err()), (0, true), "{length}");
        } else {
            assert_eq!((count, result), (1, Ok(())), "{length}");
        }
    }
    assert_eq!(all(&both), (2, Ok(())));
    assert_eq!(all(&[&both[..], &[0; 40]].concat()), (2, Ok(())));
    // Anything else is damage, wherever it is; the lists before it are read.
    assert_eq!(all(&[&one[..], b"x", &other].concat()).0, 1);
    for at in one.len()..one.len() + 5 {
        let mut bytes = both.clone();
        bytes[at] ^= 0x20;
        assert!(all(&bytes).0 == 1 && all(&bytes).1.is_err(), "{at}");
    }
    let mut bytes = both.clone();
    bytes[one.len() + HEAD + ENTRY] = 0xff;
    assert_eq!(all(&bytes), (1, Err(RevocationsError::Order)));
    // A count that claims more than is there does not swallow the lists that follow.
    let mut bytes = [&one[..], &one, &other, &other].concat();
    bytes[one.len() + COUNT + 5] = 1;
    assert_eq!(all(&bytes), (1, Err(RevocationsError::Length)));
    bytes[one.len() + COUNT] = 0xff;
    assert_eq!(all(&bytes), (1, Err(RevocationsError::Length)));
}
