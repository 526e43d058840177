//! Tests of `alarm.rs`.

use super::*;

const UNKNOWN: Reason = Reason::UnknownKey;

fn key(number: u32) -> KeyId {
    KeyId(number.to_be_bytes())
}

/// Counts requests in the minute 100, refused or not, and returns the events of the next minute's first request.
#[track_caller]
fn told(refused: u64, good: u64) -> Option<(u64, u64)> {
    let alarm = Alarm::new();
    for look in 0..refused {
        assert_eq!(alarm.looked(Some((UNKNOWN, Some(key(1)))), 6000 + look % 60), []);
    }
    for look in 0..good {
        assert_eq!(alarm.looked(None, 6000 + look % 60), []);
    }
    let news = alarm.looked(None, 6060);
    assert_eq!(alarm.looked(None, 6120), [], "and nothing twice");
    match &news[..] {
        [] => None,
        [
            Event::ManyRejected {
                reason: UNKNOWN,
                count,
                total,
                key_ids,
            },
        ] if *key_ids == [key(1)] => Some((*count, *total)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn twenty_and_a_fifth_in_a_minute_are_many() {
    assert_eq!(told(20, 0), Some((20, 20)));
    assert_eq!(told(19, 0), None);
    assert_eq!(told(20, 80), Some((20, 100)));
    assert_eq!(told(20, 81), None);
    assert_eq!(told(999, 4000), None);
    assert_eq!(told(1000, 4000), Some((1000, 5000)));
    assert_eq!(told(0, 5000), None);
}

#[test]
fn each_reason_counts_by_itself_and_is_told_once_a_minute() {
    let alarm = Alarm::new();
    let mut told = Vec::new();
    for second in 6000..6180 {
        for _ in 0..2 {
            told.extend(alarm.looked(Some((UNKNOWN, None)), second));
        }
        told.extend(alarm.looked(Some((Reason::Idle, None)), second));
        told.extend(alarm.looked(Some((Reason::Malformed, None)), second / 10 * 10));
    }
    told.extend(alarm.looked(None, 6180));
    let of_a_minute = [(UNKNOWN, 120), (Reason::Idle, 60), (Reason::Malformed, 60)];
    let expected = of_a_minute.map(|(reason, count)| Event::ManyRejected {
        reason,
        count,
        total: 240,
        key_ids: vec![],
    });
    assert_eq!(told, [expected.clone(), expected.clone(), expected].concat());
}

#[test]
fn the_three_commonest_keys_are_named_whatever_a_stranger_makes_up() {
    let alarm = Alarm::new();
    let mut made_up = 1000;
    for (number, count) in [(3, 60), (1, 150), (4, 20), (2, 100)] {
        for _ in 0..count {
            alarm.looked(Some((UNKNOWN, Some(key(number)))), 6000);
            made_up += 1;
            alarm.looked(Some((UNKNOWN, Some(key(made_up)))), 6000);
        }
        assert!(alarm.refused.lock().unwrap()[0].key_ids.0.len() <= Commonest::PLACES);
    }
    let news = alarm.looked(None, 6060);
    let [Event::ManyRejected { count, key_ids, .. }] = &news[..] else {
        panic!("{news:?}");
    };
    assert_eq!((*count, &key_ids[..]), (660, &[key(1), key(2), key(3)][..]));
}

#[test]
fn a_clock_that_goes_back_begins_another_minute() {
    let alarm = Alarm::new();
    for _ in 0..20 {
        alarm.looked(Some((UNKNOWN, None)), 6000);
    }
    assert_eq!(alarm.looked(None, 60).len(), 1);
    assert_eq!(alarm.looked(None, 6000), []);
}

#[test]
fn a_request_that_began_in_the_minute_before_counts_in_this_one() {
    let alarm = Alarm::new();
    for second in [6060, 6059].repeat(10) {
        assert_eq!(alarm.looked(Some((UNKNOWN, None)), second), []);
    }
    assert_eq!(alarm.looked(None, 6120).len(), 1);
}

#[test]
fn threads_count_together() {
    let alarm = Alarm::new();
    alarm.looked(None, 6000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..300).for_each(|_| drop(alarm.looked(Some((UNKNOWN, Some(key(1)))), 6030))));
        }
    });
    let expected = Event::ManyRejected {
        reason: UNKNOWN,
        count: 1200,
        total: 1201,
        key_ids: vec![key(1)],
    };
    assert_eq!(alarm.looked(None, 6060), [expected]);
}
