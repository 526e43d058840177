//! Tests of `testing.rs`.

use super::cookie::parse_date;
use super::*;

const START: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

/// A browser that got these lines.
#[track_caller]
fn with(lines: &[&str]) -> Browser {
    let mut browser = Browser::at(START);
    browser.receive(&headers(lines));
    browser
}

fn headers(lines: &[&str]) -> Vec<(String, String)> {
    let field = |line: &&str| ("set-cookie".to_owned(), (*line).to_owned());
    lines.iter().map(field).collect()
}

#[track_caller]
fn sends(lines: &[&str], field: &str) {
    assert_eq!(with(lines).cookie_field(), field, "{lines:?}");
}

#[track_caller]
fn refuses(line: &str, why: &str) {
    let mut browser = with(&["kept=1"]);
    let refused = browser.set_cookie(line).unwrap_err().to_string();
    assert!(refused.contains(why), "{refused}");
    assert_eq!(browser.cookie_field(), "kept=1");
}

/// Seconds after the start at which the cookie of this line expires.
#[track_caller]
fn expires_after(line: &str) -> Option<i64> {
    let browser = with(&[line]);
    let expires = browser.cookie("a").expect("it is kept").expires?;
    Some((expires - browser.now()).whole_seconds())
}

#[test]
fn only_cookie_lines_of_a_response_are_read() {
    let mut browser = Browser::at(START);
    browser.receive(&vec![
        ("Set-Cookie".to_owned(), "a=1; Path=/".to_owned()),
        ("X-Set-Cookie".to_owned(), "b=2".to_owned()),
        ("SET-COOKIE".to_owned(), "c=3".to_owned()),
    ]);
    assert_eq!(browser.cookie_field(), "a=1; c=3");
    assert_eq!(Browser::new().cookie_field(), "");
    assert_eq!(browser.fields().cookies("c").collect::<Vec<_>>(), [b"3"]);
}

#[test]
fn a_pair_is_trimmed_and_kept_as_it_is() {
    sends(&["\t a = b=c \t; Path=/"], "a=b=c");
    sends(&["a=\"b c\""], "a=\"b c\"");
    sends(&["a="], "a=");
    sends(&["a=\u{fc}"], "a=\u{fc}");
    sends(&["lonely"], "lonely");
    sends(&["=lonely; Secure"], "lonely");
}

#[test]
fn attributes_are_read_in_any_case_and_the_last_of_a_kind_counts() {
    let browser = with(&["a=1 ;SECURE; httponly ; sameSITE=strict;SameSite=LAX; Domain=.A.Example; partitioned=; x=y"]);
    let cookie = browser.cookie("a").unwrap();
    assert!(cookie.secure && cookie.http_only && cookie.partitioned);
    assert_eq!(
        (cookie.same_site, cookie.domain.as_deref()),
        (Some(SameSite::Lax), Some("a.example"))
    );
    let browser = with(&["a=1; SameSite=Strict; SameSite=other; Domain=a; Domain="]);
    let cookie = browser.cookie("a").unwrap();
    assert!(!cookie.secure && !cookie.http_only && !cookie.partitioned);
    assert_eq!(
        (cookie.same_site, cookie.domain.as_deref(), cookie.expires),
        (None, None, None)
    );
}

#[test]
fn prefixes_are_held_to_in_any_case() {
    for kept in [
        "__Host-a=1; Path=/; Secure",
        "__host-a=1; Secure; Path=/; Domain=",
        "__Secure-a=1; Secure; Domain=a.example; Path=/",
        "__Http-a=1; Secure; HttpOnly; Path=/",
        "__Host-Http-a=1; Path=/; Secure; HttpOnly",
        "__Hosta=1",
    ] {
        let pair = kept.split(';').next().unwrap();
        sends(&[kept], pair);
    }
    refuses("__Host-a=1; Path=/", "asks for `Secure`");
    refuses("__HOST-a=1; Path=/", "asks for `Secure`");
    refuses("__secure-a=1", "asks for `Secure`");
    refuses("__Http-a=1; HttpOnly", "asks for `Secure`");
    refuses("__Host-a=1; Secure", "asks for `Path=/`");
    refuses("__host-a=1; Secure; Path=/b", "asks for `Path=/`");
    refuses("__Host-a=1; Secure; Path=/; Domain=a.example", "without `Domain`");
    refuses("__http-a=1; Secure", "asks for `HttpOnly`");
    refuses("__Host-HTTP-a=1; Secure; Path=/", "asks for `HttpOnly`");
    refuses("__Host-a; Secure; Path=/", "no name");
    refuses("=__secure-a=1; Secure", "no name");
    // A removal is held to the same: many sign-outs fail here.
    refuses("__Host-kept=; Path=/; Max-Age=0", "asks for `Secure`");
}

#[test]
fn what_asks_for_secure_is_refused_without_it() {
    refuses("a=1; SameSite=None", "`SameSite=None` asks");
    refuses("a=1; Partitioned", "`Partitioned` asks");
    sends(&["a=1; SameSite=None; Secure", "b=2; Partitioned; Secure"], "a=1; b=2");
}

#[test]
fn secure_cookies_stay_on_https() {
    let mut https = with(&["a=1; Secure", "b=2"]);
    let mut http = https.clone().over_http();
    assert_eq!(
        (https.cookie_field().as_str(), http.cookie_field().as_str()),
        ("a=1; b=2", "b=2")
    );
    let refused = http.set_cookie("c=3; Secure").unwrap_err().to_string();
    assert!(refused.contains("plain http"), "{refused}");
    let refused = http.set_cookie("a=forged").unwrap_err().to_string();
    assert!(refused.contains("hide"), "{refused}");
    http.set_cookie("b=3").unwrap();
    assert_eq!(http.value("b"), Some("3"));
    let mut below = with(&["a=1; Secure; Path=/d", "b=2; Secure; Max-Age=60"]).over_http();
    below.set_cookie("a=2; Path=/").unwrap();
    assert!(below.set_cookie("a=3; Path=/d/e").is_err() && below.set_cookie("b=3").is_err());
    below.pass(Duration::from_secs(60));
    below.set_cookie("b=3").unwrap();
    https.set_cookie("a=2").unwrap();
    assert_eq!(https.over_http().value("a"), Some("2"));
}

#[test]
fn names_and_values_above_4096_bytes_are_refused() {
    let largest = format!("a={}", "x".repeat(4095));
    sends(&[&format!("{largest}; Path=/; Secure")], &largest);
    refuses(&format!("{largest}x"), "4097 bytes of at most 4096");
}

#[test]
fn control_characters_and_nothing_at_all_are_refused() {
    refuses("a=1\r\nX: y", "control characters");
    refuses("a=1; Path=/\u{7f}", "control characters");
    for nothing in ["", "=", " = ; Path=/"] {
        refuses(nothing, "neither a name nor a value");
    }
}

#[test]
fn a_refusal_shows_name_and_attributes_and_no_value() {
    let refused = Browser::new()
        .set_cookie("__Host-id=s3cret; HttpOnly")
        .unwrap_err()
        .to_string();
    assert_eq!(
        refused,
        "a browser refuses the cookie `__Host-id=…; HttpOnly`: its prefix asks for `Secure`"
    );
    assert!(!format!("{:?}", with(&["a=s3cret"])).contains("s3cret"));
    assert!(
        !Browser::new()
            .set_cookie("__Host-s3cret")
            .unwrap_err()
            .to_string()
            .contains("s3cret")
    );
}

#[test]
#[should_panic = "a browser refuses the cookie `__Host-id=…; Secure`: its prefix asks for `Path=/`"]
fn a_response_with_a_cookie_that_is_refused_fails_the_test() {
    with(&["a=1", "__Host-id=1; Secure"]);
}

#[test]
fn attributes_above_1024_bytes_are_ignored() {
    let long = "x".repeat(1024);
    let browser = with(&[
        &format!("a=1; Path=/; Path=/{long}; Domain={long}x"),
        &format!("b=1; Domain={long}"),
    ]);
    assert_eq!(
        browser.cookie("a").map(|cookie| (cookie.path.as_str(), &cookie.domain)),
        Some(("/", &None))
    );
    assert_eq!(
        browser.cookie("b").and_then(|cookie| cookie.domain.as_ref()),
        Some(&long)
    );
    refuses(&format!("__Host-a=1; Secure; Path=/{long}"), "asks for `Path=/`");
}

#[test]
fn max_age_counts_from_the_clock() {
    assert_eq!(expires_after("a=1"), None);
    assert_eq!(expires_after("a=1; Max-Age=60"), Some(60));
    assert_eq!(expires_after("a=1; Max-Age=060"), Some(60));
    assert_eq!(expires_after("a=1; Max-Age=60; Max-Age=soon; Max-Age="), Some(60));
    for ignored in ["", "x", "+60", "6 0", "1.5", "-"] {
        assert_eq!(expires_after(&format!("a=1; Max-Age={ignored}")), None, "{ignored}");
    }
    let browser = with(&["a=1; Max-Age=60", "b=2"]);
    browser.pass(Duration::from_millis(59_999));
    assert_eq!(browser.cookie_field(), "a=1; b=2");
    browser.pass(Duration::from_millis(1));
    assert_eq!((browser.cookie_field().as_str(), browser.value("a")), ("b=2", None));
}

#[test]
fn max_age_wins_over_expires_and_neither_goes_beyond_400_days() {
    let longest = i64::try_from(400 * DAY).unwrap();
    assert_eq!(
        expires_after("a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
        Some(60)
    );
    assert_eq!(
        expires_after("a=1; Expires=Fri, 15 Jan 2027 08:01:00 GMT; Expires=soon"),
        Some(60)
    );
    for line in [
        "a=1; Max-Age=34560001",
        "a=1; Max-Age=99999999999999999999999999",
        "a=1; Expires=Fri, 31 Dec 9999 23:59:59 GMT",
    ] {
        assert_eq!(expires_after(line), Some(longest), "{line}");
    }
}

#[test]
fn a_cookie_is_removed_by_a_line_in_the_past() {
    for removal in [
        "a=; Max-Age=0",
        "a=2; Max-Age=-1",
        "a=; Max-Age=-99999999999999999999",
        "a=; Max-Age=0; Expires=Fri, 31 Dec 9999 23:59:59 GMT",
        "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "a=; Expires=Mon, 01 Jan 1601 00:00:00 GMT",
        "a=; Expires=Fri, 15 Jan 2027 08:00:00 GMT",
    ] {
        sends(&["a=1; Max-Age=60", "b=2", removal], "b=2");
    }
    assert_eq!(Browser::at(0).tap("a=1; Max-Age=0"), "");
    assert_eq!(Browser::at(u64::MAX).tap("a=1; Max-Age=60"), "");
}

impl Browser {
    fn tap(mut self, line: &str) -> String {
        self.set_cookie(line).unwrap();
        self.cookie_field()
    }
}

#[test]
fn a_cookie_is_replaced_in_its_place_and_another_path_or_domain_is_another_cookie() {
    sends(&["a=1", "b=2", "a=3; Path=/"], "a=3; b=2");
    sends(&["a=1", "b=2", "a=; Max-Age=0", "a=3"], "b=2; a=3");
    sends(&["a=1; Max-Age=60", "a=2; Domain=a.example", "A=3"], "a=1; a=2; A=3");
    sends(&["a=1; Domain=A.example", "a=2; Domain=.a.EXAMPLE"], "a=2");
    sends(&["a=1; Secure", "a=2; Secure; Partitioned"], "a=1; a=2");
    // Removals of another cookie than the one that is there.
    sends(&["a=1; Domain=a.example", "a=; Max-Age=0"], "a=1");
    sends(&["a=1", "a=; Max-Age=0; Path=/b"], "a=1");
    sends(&["a=1; Secure; Partitioned", "a=; Max-Age=0; Secure"], "a=1");
    let mut browser = with(&["a=1; Max-Age=60"]);
    browser.set_cookie("a=2").unwrap();
    browser.pass(Duration::from_secs(61));
    assert_eq!(browser.value("a"), Some("2"), "the new line has no Max-Age");
}

#[test]
fn a_path_binds_a_cookie_to_what_lies_below_it() {
    let mut browser = with(&[
        "a=1; Path=/",
        "b=2; Path=/b",
        "c=3; Path=/b/",
        "d=4; Path=b",
        "e=5; Path=",
    ]);
    for (path, field) in [
        ("/", "a=1; d=4; e=5"),
        ("/b", "b=2; a=1; d=4; e=5"),
        ("/b?/c", "b=2; a=1; d=4; e=5"),
        ("/b/c", "c=3; b=2; a=1; d=4; e=5"),
        ("/bc", "a=1; d=4; e=5"),
        ("/c/b", "a=1; d=4; e=5"),
    ] {
        browser.visit(path);
        assert_eq!(browser.cookie_field(), field, "{path}");
    }
    assert_eq!(browser.cookie("b"), None);
}

#[test]
fn without_a_path_a_cookie_is_of_the_folder_of_its_page() {
    for (page, path) in [
        ("/", "/"),
        ("/a", "/"),
        ("/a/", "/a"),
        ("/a/b?c=/d/e", "/a"),
        ("/a/b/c#d/e", "/a/b"),
        ("", "/"),
    ] {
        let mut browser = Browser::at(START);
        browser.visit(page);
        browser.set_cookie("a=1").unwrap();
        assert_eq!(browser.cookies[0].path, path, "{page}");
    }
    let mut browser = Browser::at(START);
    browser.visit("/a/b");
    browser.set_cookie("__Host-a=1; Secure; Path=/").unwrap();
    assert!(browser.set_cookie("__Host-b=1; Secure; Path=").is_err());
}

#[test]
fn a_restart_ends_what_has_no_end_of_its_own() {
    let mut browser = with(&["a=1", "b=2; Max-Age=60", "c=3; Expires=Fri, 31 Dec 2027 00:00:00 GMT"]);
    browser.restart();
    assert_eq!(browser.cookie_field(), "b=2; c=3");
}

#[test]
fn values_are_changed_by_hand_and_cookies_forgotten() {
    let mut browser = with(&["a=1; Max-Age=60; HttpOnly", "b=2"]);
    browser.put("a=stolen=odd;odd; __Host-c= ");
    assert_eq!(browser.cookie_field(), "a=stolen=odd; b=2; odd; __Host-c=");
    assert!(browser.cookie("a").unwrap().http_only);
    browser.restart();
    browser.put("");
    assert_eq!(browser.cookie_field(), "a=stolen=odd");
    browser.pass(Duration::from_secs(60));
    browser.put("a=stolen");
    assert_eq!(browser.cookie_field(), "a=stolen", "as new");
    browser.remove("a");
    assert_eq!(browser.cookie_field(), "");
}

#[test]
fn clones_and_other_visitors_share_the_clock_alone() {
    let mut ada = with(&["a=1; Max-Age=60"]);
    let mut thief = ada.clone();
    let bob = ada.another();
    ada.set_cookie("a=2; Max-Age=60").unwrap();
    thief.put("b=3");
    assert_eq!([&ada, &thief, &bob].map(Browser::cookie_field), ["a=2", "a=1; b=3", ""]);
    let clock = ada.clock();
    bob.pass(Duration::from_secs(60));
    assert_eq!(thief.cookie_field(), "b=3");
    assert_eq!((clock(), clock().unix_timestamp()), (ada.now(), 1_800_000_060));
    bob.pass(Duration::MAX);
    assert_eq!(clock().year(), 9999);
}

#[test]
fn dates_are_read_as_browsers_do() {
    let new_year = 1_830_297_599;
    for (text, seconds) in [
        ("Fri, 31 Dec 2027 23:59:59 GMT", new_year),
        ("Friday, 31-Dec-27 23:59:59 GMT", new_year),
        ("Fri Dec 31 23:59:59 2027", new_year),
        ("2027 december 31st 23:59:59.5+02:00", new_year),
        ("31 dec 2027 23:59:59 1999 01:02:03 30 jan", new_year),
        ("1 Jan 70 0:0:1", 1),
        ("1 Jan 69 0:0:0", 3_124_224_000),
        ("1 Jan 1969 0:0:0", 0),
        ("1 Jan 1601 0:0:0", 0),
        ("29 Feb 2028 0:0:0", 1_835_395_200),
    ] {
        assert_eq!(parse_date(text), Some(seconds), "{text}");
    }
    for text in [
        "",
        "tomorrow",
        "31 Dec 2027",
        "Dec 2027 23:59:59",
        "31 2027 23:59:59",
        "31 Dec 23:59:59",
        "31 Dec 2027 23:59",
        "31 Dec 2027 24:00:00",
        "31 Dec 2027 23:60:00",
        "31 Dec 2027 23:59:60",
        "31 Dec 2027 023:59:59",
        "31 Dec 2027 23x:59:59",
        "32 Dec 2027 23:59:59",
        "0 Dec 2027 23:59:59",
        "29 Feb 2027 23:59:59",
        "31 Dec 1600 23:59:59",
        "31 Dec 20270 23:59:59",
        "31 De\u{fc} 2027 23:59:59",
    ] {
        assert_eq!(parse_date(text), None, "{text}");
    }
}
