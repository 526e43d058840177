//! A year of monthly rotations.

use model::schedule::DAY;
use model::year::{Tally, Year};

const SESSIONS: u32 = 2000;

fn run(year: &Year) -> Tally {
    let schedule = year.schedule();
    assert!(schedule.rotations >= 11, "{}", schedule.rotations);
    let tally = year.run(&schedule);
    println!("{tally:?}");
    assert_eq!(tally.started, u64::from(year.sessions));
    assert_eq!(
        tally.started,
        tally.idle + tally.absolute + tally.signed_out + tally.alive + tally.unwanted
    );
    tally
}

#[test]
fn a_year_of_rotations_signs_no_visitor_out() {
    let tally = run(&Year::documented(SESSIONS, 2));
    assert_eq!(
        (tally.unwanted, tally.outlived, tally.resealed),
        (0, 0, 0),
        "{:?}",
        tally.example
    );
    // The year has every way to end, and sessions under secrets that no longer seal.
    for count in [
        tally.idle,
        tally.absolute,
        tally.signed_out,
        tally.alive,
        tally.writes,
        tally.renewals,
    ] {
        assert!(count > 50, "{tally:?}");
    }
    assert!(tally.under_other_secret * 5 > tally.requests, "{tally:?}");
    assert!(tally.open * 10 < tally.started, "{tally:?}");
}

#[test]
fn retiring_a_week_early_logs_visitors_out() {
    let mut year = Year::documented(SESSIONS, 2);
    year.retire_after -= 7 * DAY;
    let tally = run(&year);
    assert!(tally.unwanted > 0 && tally.example.is_some_and(|example| example.contains("unknown key")));
}

#[test]
fn clocks_an_hour_apart_log_visitors_out() {
    let mut year = Year::documented(SESSIONS, 2);
    year.clocks = vec![0, 3600];
    assert!(run(&year).unwanted > 0);
}
