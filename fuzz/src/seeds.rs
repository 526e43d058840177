//! The seeds of every target, made from the vectors.

use crate::targets;

/// The seeds of every target by name.
pub fn all() -> [(&'static str, Vec<Vec<u8>>); 10] {
    [
        ("open", targets::open::seeds()),
        ("cookie_header", targets::cookie_header::seeds()),
        ("ring_text", targets::ring_text::seeds()),
        ("round_trip", targets::round_trip::seeds()),
        ("set_cookie", targets::set_cookie::seeds()),
        ("cache_merge", targets::cache_merge::seeds()),
        ("device", targets::device::seeds()),
        ("edge", targets::edge::seeds()),
        ("session_model", targets::session_model::seeds()),
        ("opened_cache", targets::opened_cache::seeds()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept::Tally;

    #[track_caller]
    fn assert_holds(name: &str, run: fn(&[u8])) {
        let all = all();
        let (_, seeds) = all.iter().find(|(target, _)| *target == name).expect("a target");
        assert!(seeds.len() > 20, "{name} has {} seeds", seeds.len());
        run(b"");
        for (index, seed) in seeds.iter().enumerate() {
            println!("{name} {index}: {}", seed.escape_ascii());
            run(seed);
            run(&seed[..seed.len() / 2]);
        }
    }

    /// Of the sessions that opened, a third at least were kept ones.
    #[track_caller]
    fn assert_kept(tally: &Tally) {
        let (opened, kept) = tally.counts();
        assert!(kept > 100 && 3 * kept > opened, "{kept} of {opened}");
    }

    #[test]
    fn open_holds_on_its_seeds() {
        assert_holds("open", targets::open::run);
    }

    #[test]
    fn cookie_header_holds_on_its_seeds() {
        assert_holds("cookie_header", targets::cookie_header::run);
    }

    #[test]
    fn ring_text_holds_on_its_seeds() {
        assert_holds("ring_text", targets::ring_text::run);
    }

    #[test]
    fn round_trip_holds_on_its_seeds() {
        assert_holds("round_trip", targets::round_trip::run);
    }

    #[test]
    fn set_cookie_holds_on_its_seeds() {
        assert_holds("set_cookie", targets::set_cookie::run);
    }

    #[test]
    fn cache_merge_holds_on_its_seeds() {
        assert_holds("cache_merge", targets::cache_merge::run);
    }

    #[test]
    fn device_holds_on_its_seeds() {
        assert_holds("device", targets::device::run);
    }

    #[test]
    fn edge_holds_on_its_seeds() {
        assert_holds("edge", targets::edge::run);
    }

    #[test]
    fn session_model_holds_on_its_seeds() {
        assert_holds("session_model", targets::session_model::run);
        assert_kept(&targets::session_model::TALLY);
    }

    #[test]
    fn opened_cache_holds_on_its_seeds() {
        assert_holds("opened_cache", targets::opened_cache::run);
        assert_kept(&targets::opened_cache::TALLY);
    }
}
