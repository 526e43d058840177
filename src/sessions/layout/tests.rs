use crate::error::WriteError;
use crate::keys::{Key, KeyRing};
use crate::session::lifetime::Lifetime;
use crate::sessions::Sessions;

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
        }
        // The line of the session that came is allowed, and a line below the default is.
        let refused = low.config().layout(came + 3, came).is_err();
        assert_eq!(refused, came > 3000, "{came}");
    }
}
