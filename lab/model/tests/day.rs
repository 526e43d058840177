//! The traffic of a day at servers that keep opened sessions.

use model::day::{Tally, Traffic};

const ROOM: usize = 8 * 1024 * 1024;

fn day(visitors: u32, servers: u32, sticky: bool, cache: usize) -> Tally {
    let traffic = Traffic {
        visitors,
        servers,
        sticky,
        cache,
    };
    let tally = traffic.day(20_000, 1);
    println!("{traffic:?}: {:.1} %, {tally:?}", tally.hit_rate());
    assert!(tally.requests > 5_000, "{}", tally.requests);
    tally
}

#[test]
fn a_server_that_keeps_nothing_opens_every_session() {
    let tally = day(100, 1, false, 0);
    assert_eq!((tally.hits, tally.peak), (0, 0));
}

#[test]
fn most_requests_of_a_visit_find_their_session_kept_where_the_visit_stays() {
    let (one, sticky, random) = (
        day(300, 1, false, ROOM),
        day(300, 4, true, ROOM),
        day(300, 4, false, ROOM),
    );
    assert!(one.hit_rate() > 80.0);
    assert!((one.hit_rate() - sticky.hit_rate()).abs() < 5.0);
    assert!(random.hit_rate() < one.hit_rate() - 10.0);
}

#[test]
fn a_small_cache_keeps_few_and_finds_fewer() {
    let (small, large) = (day(1_000, 1, false, 64 * 1024), day(1_000, 1, false, ROOM));
    assert!(small.peak < 64 && large.peak > 640);
    assert!(small.hits > 0 && small.hit_rate() < large.hit_rate() - 5.0);
}

#[test]
fn sessions_of_visitors_who_left_are_not_kept() {
    // Hours, in which hundreds come and go.
    let tally = day(10, 1, false, ROOM);
    assert!((1..40).contains(&tally.peak), "{}", tally.peak);
}
