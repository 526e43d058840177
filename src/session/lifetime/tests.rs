//! Tests of `lifetime.rs`.

use super::*;

const ORDINARY: Timeouts = Timeouts {
    idle: Some(1800),
    absolute: 43_200,
};
const REMEMBERED: Timeouts = Timeouts {
    idle: Some(14 * DAY),
    absolute: 90 * DAY,
};
const BOTH: Lifetimes = Lifetimes {
    ordinary: ORDINARY,
    remembered: Some(REMEMBERED),
};

#[test]
fn activity_never_outlives_the_absolute_timeout() {
    assert_eq!(ORDINARY.active_until(1000, 50_000), Some(2800));
    assert_eq!(ORDINARY.active_until(49_000, 50_000), Some(50_000));
    assert_eq!(
        Timeouts {
            idle: None,
            absolute: 1
        }
        .active_until(0, 9),
        None
    );
    assert_eq!(ORDINARY.latest_activity(1000), Some(1000 + 1800 + 300));
    assert_eq!(ORDINARY.active_until(u64::MAX, u64::MAX), Some(u64::MAX));
}

#[test]
fn renewal_is_due_after_a_tenth_of_the_idle_timeout_within_its_bounds() {
    for (idle, worth) in [
        (1800, 180),
        (300, 60),
        (100, 50),
        (2, 1),
        (1, 1),
        (30 * DAY, DAY),
        (14 * DAY, DAY),
    ] {
        let lifetime = Timeouts {
            idle: Some(idle),
            absolute: 400 * DAY,
        };
        assert!(!lifetime.renewal_is_due(1000, 1000 + worth - 1, u64::MAX), "{idle}");
        assert!(lifetime.renewal_is_due(1000, 1000 + worth, u64::MAX), "{idle}");
    }
    assert!(
        !ORDINARY.renewal_is_due(1000, 900, u64::MAX),
        "a clock that steps back renews nothing"
    );
    assert!(
        !Timeouts {
            idle: None,
            absolute: 1
        }
        .renewal_is_due(0, u64::MAX, u64::MAX)
    );
}

#[test]
fn the_last_renewal_is_due_however_little_it_moves() {
    assert!(ORDINARY.renewal_is_due(1000, 1001, 1001));
    assert!(!ORDINARY.renewal_is_due(1001, 1001, 1001), "once");
    assert!(!ORDINARY.renewal_is_due(1002, 1001, 1001));
    assert!(!ORDINARY.renewal_is_due(1000, 1001, 1002));
}

#[test]
fn sessions_are_judged_in_order_at_their_bounds() {
    let judge = |started, remembered, now| BOTH.judge(started, remembered, now);
    assert_eq!(judge(1300, false, 1000), Ok(()));
    assert_eq!(judge(1301, false, 1000), Err(Reason::StartedInFuture));
    assert_eq!(judge(1000, false, 44_199), Ok(()));
    assert_eq!(judge(1000, false, 44_200), Err(Reason::TooOld));
    assert_eq!(judge(1000, true, 44_200), Ok(()));
    assert_eq!(judge(1000, true, 1000 + 90 * DAY), Err(Reason::TooOld));
}

#[test]
fn without_remembering_the_flag_gives_no_longer_life() {
    let off = Lifetimes {
        remembered: None,
        ..BOTH
    };
    assert_eq!(off.of(true), ORDINARY);
    assert_eq!((off.longest(), BOTH.longest()), (43_200, 90 * DAY));
    assert_eq!(off.judge(0, true, 43_200), Err(Reason::TooOld));
}
