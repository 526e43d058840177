use std::time::Duration;

use crate::error::WriteError;
use crate::keys::{Key, KeyRing};
use crate::session::lifetime::Lifetime;
use crate::sessions::Sessions;
use crate::sessions::builder::Builder;
use crate::token::envelope::ACTIVITY_TEXT;

fn sessions(chunks: u8, largest: usize) -> Sessions<String> {
    Sessions::builder(KeyRing::new(Key::generate().unwrap()))
        .lifetime(Lifetime::default())
        .chunks(chunks)
        .largest_cookies(largest)
        .build()
        .unwrap()
}

fn chunks_of(sessions: &Sessions<String>, payload: usize) -> Option<u8> {
    sessions.config().layout(payload, 0).ok().map(|layout| layout.chunks)
}

/// The numbers of `next.json`, for a name of 9 characters.
const HOLD: [usize; 4] = [2995, 6049, 9106, 12163];

#[test]
fn a_session_takes_as_few_cookies_as_hold_it() {
    for most in 1..=4 {
        let sessions = sessions(most, usize::MAX);
        for (chunks, hold) in (1..).zip(HOLD) {
            assert_eq!(chunks_of(&sessions, hold), (chunks <= most).then_some(chunks));
            let next = (chunks < most).then_some(chunks + 1);
            assert_eq!(chunks_of(&sessions, hold + 1), next, "{hold} of {most}");
        }
        assert_eq!(chunks_of(&sessions, 0), Some(1));
        assert_eq!(chunks_of(&sessions, isize::MAX as usize), None);
    }
}

/// The bytes of the `Cookie` field of a session with these data.
fn line(sessions: &Sessions<String>, payload: usize) -> Result<usize, WriteError> {
    let data = "x".repeat(payload - "\"\"".len());
    sessions.cookie_for(data).map(|cookie| cookie.len())
}

#[test]
fn no_line_is_longer_than_allowed_and_one_byte_less_would_refuse_the_longest() {
    for chunks in 2..=4 {
        for largest in [4161, 4200, 5000, 7500, 8192, 12_000, 16_400] {
            let sessions = sessions(chunks, largest);
            let fits = |payload: &usize| chunks_of(&sessions, *payload).is_some();
            let most = (2995..=HOLD[3]).rev().find(fits).unwrap();
            let longest = line(&sessions, most).unwrap();
            assert!(longest <= largest, "{longest} of {largest}");
            let Err(WriteError::TooLarge {
                size, limit, option, ..
            }) = line(&sessions, most + 1)
            else {
                panic!("{chunks} cookies of at most {largest}: {most} is not the most");
            };
            assert!(size > limit && limit <= largest, "{size} of {limit} of {largest}");
            assert_eq!(
                option == "chunks",
                most == HOLD[usize::from(chunks) - 1],
                "{option}: {most}"
            );
        }
    }
}

#[test]
fn the_size_of_a_refused_session_is_what_it_would_take() {
    let (two, four) = (sessions(2, 7500), sessions(4, usize::MAX));
    for payload in [5700, 6049, 6050, 9000, 12163] {
        let Err(WriteError::TooLarge {
            size, limit, option, ..
        }) = line(&two, payload)
        else {
            panic!("{payload} bytes fit");
        };
        assert_eq!(
            (size, limit, option),
            (line(&four, payload).unwrap(), 7500, "largest_cookies")
        );
    }
}

#[test]
fn what_a_refusal_names_is_what_would_have_to_be_raised() {
    let refusal = |largest: usize| match line(&sessions(2, largest), HOLD[1] + 1) {
        Err(WriteError::TooLarge { limit, option, .. }) => (limit, option),
        other => panic!("{other:?}"),
    };
    let (full, option) = refusal(usize::MAX);
    assert_eq!(option, "chunks");
    assert_eq!(refusal(full), (full, "chunks"));
    assert_eq!(refusal(full - 1), (full - 1, "largest_cookies"));
}

#[test]
fn padding_fills_the_cookies_that_are_needed_and_takes_no_other() {
    let builder = Sessions::<String>::builder(KeyRing::new(Key::generate().unwrap()));
    let sessions = builder
        .chunks(4)
        .largest_cookies(usize::MAX)
        .pad_to(1000)
        .build()
        .unwrap();
    let layout = |payload| {
        sessions
            .config()
            .layout(payload, 0)
            .ok()
            .map(|layout| (layout.chunks, payload + layout.padding))
    };
    assert_eq!(layout(1500), Some((1, 2000)));
    assert_eq!(layout(2001), Some((1, 2995)));
    assert_eq!(layout(2996), Some((2, 3000)));
    assert_eq!(layout(6001), Some((2, 6049)));
    assert_eq!(layout(12_001), Some((4, 12_163)));
}

#[test]
fn a_session_may_stay_as_large_as_it_came() {
    let (off, low, high) = (sessions(1, 7500), sessions(4, 5000), sessions(4, usize::MAX));
    for came in [3000, 6049, 6050, 9000, 12_163] {
        let needed = chunks_of(&high, came);
        for server in [&off, &low] {
            let chunks = |payload| server.config().layout(payload, came).ok().map(|layout| layout.chunks);
            assert_eq!(chunks(came), needed, "{came}");
            assert_eq!(chunks(came - 1), chunks_of(&high, came - 1), "{came}");
            assert_eq!(chunks(100), Some(1), "{came}");
            assert_eq!(chunks(12_164), None, "{came}");
            let hold = HOLD[usize::from(needed.unwrap()) - 1];
            assert_eq!(chunks(hold + 1), None, "{came}: into one more cookie");
        }
        assert!(
            off.config().layout(HOLD[0] + 1, HOLD[0]).is_err(),
            "it came in one cookie"
        );
        // The line of the session that came is allowed, and a line below the default is.
        let refused = low.config().layout(came + 3, came).is_err();
        assert_eq!(refused, came > 3000, "{came}");
    }
}

#[test]
fn room_is_left_for_the_cookies_besides_the_session() {
    fn beside(configure: impl FnOnce(Builder<String>) -> Builder<String>) -> usize {
        let builder = Sessions::<String>::builder(KeyRing::new(Key::generate().unwrap()));
        configure(builder).build().unwrap().config().other_cookies()
    }
    // The texts of SPEC.md: an activity token, one with a device, a proof.
    let of = |name: &str, text: usize| format!("; __Host-id-{name}={}", "x".repeat(text)).len();
    let month = || Lifetime::absolute(Duration::from_secs(30 * 86_400));
    let never = || Lifetime::default().without_idle();
    assert_eq!(beside(|builder| builder), of("seen", ACTIVITY_TEXT));
    assert_eq!(beside(|builder| builder.lifetime(never())), 0);
    assert_eq!(
        beside(|builder| builder.lifetime(never()).remembered(month())),
        of("seen", ACTIVITY_TEXT),
        "an idle timeout of remembered sessions alone"
    );
    #[cfg(feature = "device")]
    {
        use crate::sessions::device_binding::DeviceBinding;
        use crate::token::envelope::BOUND_ACTIVITY_TEXT;
        use crate::token::signed::PROOF_TEXT;
        let proofs = of("proof", PROOF_TEXT) + of("asked", PROOF_TEXT);
        let bound = beside(|builder| builder.device_binding(DeviceBinding::at("/device")));
        assert_eq!(bound, of("seen", BOUND_ACTIVITY_TEXT) + proofs);
    }
}
