//! Configurations: a cookie that a browser would refuse, or a session that cannot be, is an error at `build` that says
//! what to change.
use std::time::Duration;

use sealed_session::testing::Browser;
use sealed_session::{Builder, Event, Lifetime, RequestFields, SameSite, Sessions};
use serde::{Deserialize, Serialize};

use testkit::{DAY, Seen, after, answered, keep, ring};

#[derive(Serialize, Deserialize)]
struct Login {
    user: u32,
}

fn builder() -> Builder<Login> {
    Sessions::builder(ring())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn days(days: u64) -> Duration {
    seconds(days * DAY)
}

/// Refused with a sentence that has these fragments.
#[track_caller]
fn refused(builder: Builder<Login>, fragments: &[&str]) {
    let text = builder.build().unwrap_err().to_string();
    for fragment in fragments {
        assert!(text.contains(fragment), "no `{fragment}` in: {text}");
    }
    assert!(
        !text.starts_with(char::is_uppercase) && !text.ends_with('.') && text.len() > 20,
        "not a lower-case sentence: {text}"
    );
}

/// Builds; the start of a session then gives these `Set-Cookie` lines, without their tokens.
#[track_caller]
fn gives_cookie(builder: Builder<Login>, expected: &[&str]) {
    gives_cookie_for(builder, false, expected);
}

#[track_caller]
fn gives_cookie_for(builder: Builder<Login>, remembered: bool, expected: &[&str]) {
    let sessions = builder.build().unwrap();
    let mut session = sessions.load_at(RequestFields::default(), after(0));
    session.start(Login { user: 7 }).unwrap();
    session.remember(remembered).unwrap();
    let patch = session.finish_patch(200);
    let lines: Vec<String> = patch.set_cookies().map(without_token).collect();
    assert_eq!(lines, expected);
    let mut browser = Browser::new();
    browser.visit("/app");
    keep(&mut browser, patch.set_cookies());
    let session = sessions.load_at(browser.fields(), after(0));
    assert_eq!(session.get().map(|login| login.user), Some(7), "it opens again");
}

fn without_token(line: &str) -> String {
    let (name, rest) = line.split_once('=').unwrap();
    let (value, attributes) = rest.split_once(';').unwrap();
    assert!(value.len() >= 44);
    format!("{name}=<>;{attributes}")
}

// ---- cookies

#[test]
fn a_name_is_a_token_of_at_most_255_bytes() {
    refused(builder().cookie_name(""), &["name is empty"]);
    for name in ["a b", "a;b", "a=b", "a,b", "a/b", "\"a\"", "J\u{fc}rgen", "a\r\n", " a"] {
        refused(builder().cookie_name(name), &["name is not a token"]);
    }
    refused(
        builder()
            .cookie_name("x".repeat(256))
            .lifetime(Lifetime::default().without_idle()),
        &["name", "255 bytes", "shorten"],
    );
}

#[test]
fn a_name_leaves_room_for_that_of_the_activity_cookie() {
    let lines = |length: usize| {
        let name = "x".repeat(length);
        let end = "; Path=/; Secure; HttpOnly; SameSite=Lax";
        (format!("{name}=<>{end}"), format!("{name}-seen=<>{end}"))
    };
    let named = |length: usize| builder().cookie_name("x".repeat(length));
    let (session, activity) = lines(250);
    gives_cookie(named(250), &[&session, &activity]);
    refused(named(251), &["250 bytes", "idle timeout", "`cookie_name`"]);
    refused(named(255), &["250 bytes", "idle timeout", "`cookie_name`"]);
    let (session, _) = lines(255);
    gives_cookie(named(255).lifetime(Lifetime::default().without_idle()), &[&session]);
    let remembered = named(251)
        .lifetime(Lifetime::default().without_idle())
        .remembered(Lifetime::absolute(days(90)).idle(days(14)));
    refused(remembered, &["250 bytes", "idle timeout"]);
    let remembered = named(255)
        .lifetime(Lifetime::default().without_idle())
        .remembered(Lifetime::absolute(days(90)).without_idle());
    gives_cookie(remembered, &[&session]);
}

/// The name of the activity cookie can have a prefix that the name of the session cookie does not have.
#[test]
fn a_prefix_of_the_activity_cookie_counts_too() {
    for builder in [
        builder().cookie_name("__Host").cookie_domain("shop.example"),
        builder().cookie_name("__Host").cookie_path("/app"),
    ] {
        refused(builder, &["`__Host-`", "-seen"]);
    }
    refused(builder().cookie_name("__secure"), &["`__Secure-`", "-seen"]);
    assert!(builder().cookie_name("__Host").build().is_ok());
    let alone = builder()
        .cookie_name("__Host")
        .cookie_domain("shop.example")
        .lifetime(Lifetime::default().without_idle());
    assert!(alone.build().is_ok());
}

#[test]
fn a_host_prefix_wants_the_whole_host_and_no_other() {
    for name in ["__Host-id", "__Host-Http-id"] {
        refused(
            builder().cookie_name(name).cookie_path("/app"),
            &["another path than `/`", "remove the path"],
        );
        refused(
            builder().cookie_name(name).cookie_domain("example.com"),
            &["with a domain", "remove the domain"],
        );
    }
    refused(builder().cookie_path("/app"), &["`__Host-`", "path"]);
    refused(builder().cookie_domain("example.com"), &["`__Host-`", "domain"]);
}

#[test]
fn a_prefix_is_spelled_as_servers_compare_it() {
    for name in [
        "__host-id",
        "__HOST-id",
        "__Host-http-id",
        "__secure-id",
        "__SECURE-id",
        "__HTTP-id",
    ] {
        refused(builder().cookie_name(name), &["spell it so"]);
    }
}

#[test]
fn a_path_starts_with_a_slash_and_is_percent_encoded() {
    let path = |path: &str| builder().cookie_name("id").cookie_path(path);
    for wrong in ["", "app", "\\app", " /app"] {
        refused(path(wrong), &["path does not start with `/`"]);
    }
    for wrong in ["/a;b", "/a b", "/\u{fc}", "/a\r\nX: y", "/\0"] {
        refused(path(wrong), &["path", "percent-encode"]);
    }
    refused(
        path(&format!("/{}", "x".repeat(1024))),
        &["path is longer than 1024 bytes"],
    );
}

#[test]
fn a_domain_is_a_host_name_in_ascii() {
    let domain = |domain: &str| builder().cookie_name("__Secure-id").cookie_domain(domain);
    refused(domain(""), &["domain is empty"]);
    refused(domain("m\u{fc}nchen.example"), &["punycode"]);
    refused(domain("example.com; Path=/"), &["other characters"]);
    refused(domain("example.com:8080"), &["other characters"]);
    refused(domain(".example.com"), &["remove the dot"]);
    refused(domain("example.com."), &["remove the dot"]);
    refused(domain(&"x".repeat(254)), &["253 bytes"]);
}

#[test]
fn the_development_cookie_has_no_prefix_and_nothing_that_needs_secure() {
    for name in ["__Host-id", "__Secure-id", "__Host-Http-id", "__Http-id"] {
        refused(
            builder().insecure_development_cookie(name),
            &["without Secure", "prefix"],
        );
    }
    refused(
        builder().insecure_development_cookie("__dev"),
        &["development cookie", "without a prefix"],
    );
    refused(
        builder().insecure_development_cookie("dev").cookie_name("__Host-id"),
        &["without Secure"],
    );
    refused(
        builder().insecure_development_cookie("dev").same_site(SameSite::None),
        &["SameSite=None without Secure"],
    );
    refused(
        builder().same_site(SameSite::None).insecure_development_cookie("dev"),
        &["SameSite=None without Secure"],
    );
    refused(
        builder().insecure_development_cookie("dev").partitioned(true),
        &["Partitioned without Secure"],
    );
}

#[test]
fn the_development_cookie_is_never_silent() {
    let seen = Seen::default();
    for _ in 0..2 {
        let development = builder()
            .observer(seen.observer())
            .insecure_development_cookie("shop-dev");
        _ = development.build().unwrap();
        assert_eq!(seen.take(), [Event::DevelopmentCookie]);
    }
    _ = builder().observer(seen.observer()).build().unwrap();
    assert_eq!(seen.take(), []);
    gives_cookie(
        builder().insecure_development_cookie("shop-dev"),
        &[
            "shop-dev=<>; Path=/; HttpOnly; SameSite=Lax",
            "shop-dev-seen=<>; Path=/; HttpOnly; SameSite=Lax",
        ],
    );
}

#[test]
fn the_default_cookies_are_host_bound_and_end_with_the_browser() {
    gives_cookie(
        builder(),
        &[
            "__Host-id=<>; Path=/; Secure; HttpOnly; SameSite=Lax",
            "__Host-id-seen=<>; Path=/; Secure; HttpOnly; SameSite=Lax",
        ],
    );
}

#[test]
fn every_attribute_that_is_chosen_is_written() {
    gives_cookie(
        builder()
            .cookie_name("__Secure-id")
            .cookie_domain("example.com")
            .cookie_path("/app")
            .same_site(SameSite::None)
            .partitioned(true),
        &[
            "__Secure-id=<>; Path=/app; Domain=example.com; Secure; HttpOnly; SameSite=None; Partitioned",
            "__Secure-id-seen=<>; Path=/app; Domain=example.com; Secure; HttpOnly; SameSite=None; Partitioned",
        ],
    );
    gives_cookie(
        builder()
            .cookie_name("__Host-Http-id")
            .lifetime(Lifetime::default().without_idle()),
        &["__Host-Http-id=<>; Path=/; Secure; HttpOnly; SameSite=Lax"],
    );
    gives_cookie(
        builder()
            .same_site(SameSite::Strict)
            .lifetime(Lifetime::default().without_idle()),
        &["__Host-id=<>; Path=/; Secure; HttpOnly; SameSite=Strict"],
    );
    gives_cookie(
        builder()
            .same_site(SameSite::None)
            .lifetime(Lifetime::default().without_idle()),
        &["__Host-id=<>; Path=/; Secure; HttpOnly; SameSite=None"],
    );
    gives_cookie(
        builder().partitioned(true).lifetime(Lifetime::default().without_idle()),
        &["__Host-id=<>; Path=/; Secure; HttpOnly; SameSite=Lax; Partitioned"],
    );
    gives_cookie(
        builder().cookie_name("id").lifetime(Lifetime::default().without_idle()),
        &["id=<>; Path=/; Secure; HttpOnly; SameSite=Lax"],
    );
}

#[test]
fn remembered_cookies_last_exactly_as_long_as_their_tokens() {
    gives_cookie_for(
        builder().remembered(Lifetime::absolute(days(90)).idle(days(14))),
        true,
        &[
            "__Host-id=<>; Path=/; Max-Age=7776000; Secure; HttpOnly; SameSite=Lax",
            "__Host-id-seen=<>; Path=/; Max-Age=1209600; Secure; HttpOnly; SameSite=Lax",
        ],
    );
    gives_cookie_for(
        builder().remembered(Lifetime::absolute(days(400)).without_idle()),
        true,
        &["__Host-id=<>; Path=/; Max-Age=34560000; Secure; HttpOnly; SameSite=Lax"],
    );
}

// ---- audience, padding, vary

#[test]
fn an_audience_has_at_most_255_bytes() {
    _ = builder().audience("x".repeat(255)).build().unwrap();
    _ = builder().audience("Z\u{fc}rich / production").build().unwrap();
    refused(
        builder().audience("x".repeat(256)),
        &["audience", "255 bytes", "shorten"],
    );
    refused(builder().audience("\u{fc}".repeat(128)), &["audience", "255 bytes"]);
}

#[test]
fn padding_leaves_room_for_something() {
    refused(builder().pad_to(0), &["`pad_to`", "1 for no padding"]);
    refused(builder().pad_to(2996), &["`pad_to`", "1 to 299"]);
    refused(builder().pad_to(usize::MAX), &["`pad_to`"]);
    for bytes in [1, 16, 2993] {
        gives_cookie(
            builder().pad_to(bytes).lifetime(Lifetime::default().without_idle()),
            &["__Host-id=<>; Path=/; Secure; HttpOnly; SameSite=Lax"],
        );
    }
    refused(builder().cookie_name("x".repeat(250)).pad_to(2993), &["`pad_to`"]);
}

#[test]
fn a_session_takes_one_to_four_cookies_that_leave_room_for_one() {
    for chunks in [0, 5, u8::MAX] {
        refused(builder().chunks(chunks), &["`chunks`", "1 to 4", "1 for one alone"]);
    }
    (1..=4).for_each(|chunks| _ = builder().chunks(chunks).build().unwrap());
    // One cookie of 4096 bytes, `=`, and the activity cookie.
    refused(
        builder().largest_cookies(4157),
        &["`largest_cookies`", "at least 4158 bytes"],
    );
    _ = builder().largest_cookies(4158).build().unwrap();
    let long = |bytes| {
        builder()
            .cookie_name("x".repeat(bytes))
            .lifetime(Lifetime::default().without_idle())
    };
    _ = long(253).chunks(2).build().unwrap();
    refused(long(254).chunks(2), &["`cookie_name`", "253 bytes", "`chunks`"]);
    _ = long(255).build().unwrap();
}

#[test]
fn the_field_in_vary_is_the_name_of_a_field() {
    for field in ["", "X Session", "Cookie, Accept", "X-\u{fc}", "Cookie\r\n", "X:"] {
        refused(builder().vary_field(field), &["`vary_field`", "header field"]);
    }
    _ = builder().vary_field("X-Session-State").build().unwrap();
}

// ---- time

#[test]
fn timeouts_are_whole_seconds_up_to_400_days() {
    let (zero, half) = (Duration::ZERO, Duration::from_millis(1500));
    for wrong in [zero, half, Duration::from_nanos(1)] {
        let fragments = ["whole seconds, at least one"];
        refused(
            builder().lifetime(Lifetime::default().idle(wrong)),
            &["the idle timeout of `lifetime`", fragments[0]],
        );
        refused(
            builder().lifetime(Lifetime::absolute(wrong)),
            &["the absolute timeout of `lifetime`", fragments[0]],
        );
        refused(
            builder().remembered(Lifetime::absolute(days(90)).idle(wrong)),
            &["`remembered`", fragments[0]],
        );
        refused(
            builder().remembered(Lifetime::absolute(wrong).idle(days(1))),
            &["`remembered`", fragments[0]],
        );
        refused(
            builder().remembered(Lifetime::absolute(wrong).without_idle()),
            &["`remembered`", fragments[0]],
        );
    }
    for wrong in [days(400) + seconds(1), Duration::from_secs(u64::MAX)] {
        refused(
            builder().lifetime(Lifetime::default().idle(wrong)),
            &["the idle timeout of `lifetime`", "400 days"],
        );
        refused(
            builder().lifetime(Lifetime::absolute(wrong)),
            &["the absolute timeout of `lifetime`", "400 days"],
        );
        refused(
            builder().remembered(Lifetime::absolute(wrong).idle(days(1))),
            &["`remembered`", "400 days"],
        );
        refused(
            builder().remembered(Lifetime::absolute(days(90)).idle(wrong)),
            &["`remembered`", "400 days"],
        );
        refused(
            builder().remembered(Lifetime::absolute(wrong).without_idle()),
            &["`remembered`", "400 days"],
        );
    }
    _ = builder()
        .lifetime(Lifetime::absolute(days(400)).idle(days(400)))
        .build()
        .unwrap();
    _ = builder()
        .lifetime(Lifetime::absolute(seconds(1)).idle(seconds(1)))
        .build()
        .unwrap();
}

#[test]
fn timeouts_do_not_contradict_each_other() {
    let hour = seconds(3600);
    refused(
        builder().lifetime(Lifetime::absolute(hour).idle(hour + seconds(1))),
        &[
            "the idle timeout of `lifetime` is longer than its absolute timeout",
            "lower it",
        ],
    );
    refused(
        builder().remembered(Lifetime::absolute(days(90)).idle(days(91))),
        &["the idle timeout of `remembered` is longer than its absolute timeout"],
    );
    // Unusual, but allowed: remembered sessions may end sooner than others.
    _ = builder()
        .lifetime(Lifetime::absolute(days(2)))
        .remembered(Lifetime::absolute(days(1)).idle(hour))
        .build()
        .unwrap();
    _ = builder()
        .lifetime(Lifetime::absolute(days(2)))
        .remembered(Lifetime::absolute(days(2)).idle(days(2)))
        .build()
        .unwrap();
}

#[test]
fn the_usual_idle_timeout_of_remembered_sessions_is_14_days() {
    for (absolute, expected) in [(90, 14), (13, 13)] {
        let remembered = builder().remembered(Lifetime::absolute(days(absolute)));
        let sessions = remembered.build().unwrap();
        let mut session = sessions.load_at(RequestFields::default(), after(0));
        session.start(Login { user: 7 }).unwrap();
        session.remember(true).unwrap();
        let cookies = answered("", &session.finish_patch(200));
        let is_live = |seconds| {
            let fields = RequestFields::from_cookies([cookies.clone()]);
            sessions.load_at(fields, after(seconds)).get().is_some()
        };
        assert!(is_live(expected * DAY - 1) && !is_live(expected * DAY), "{absolute}");
    }
}

/// A session of these sessions lives so many seconds after its start and no longer.
#[track_caller]
fn lasts(builder: Builder<Login>, expected: u64) {
    let sessions = builder.build().unwrap();
    let cookies = sessions.cookie_for_at(Login { user: 7 }, after(0)).unwrap();
    let is_live = |seconds| {
        let fields = RequestFields::from_cookies([cookies.clone()]);
        sessions.load_at(fields, after(seconds)).get().is_some()
    };
    assert!(is_live(expected - 1));
    assert!(!is_live(expected));
}

#[test]
fn the_idle_timeout_is_30_minutes_or_the_absolute_one_if_that_is_shorter() {
    lasts(builder(), 1800);
    lasts(builder().lifetime(Lifetime::absolute(seconds(1801))), 1800);
    lasts(builder().lifetime(Lifetime::absolute(seconds(1799))), 1799);
    lasts(builder().lifetime(Lifetime::absolute(seconds(1))), 1);
    lasts(builder().lifetime(Lifetime::default().idle(seconds(60))), 60);
    lasts(builder().lifetime(Lifetime::default().idle(seconds(7200))), 7200);
    lasts(builder().lifetime(Lifetime::default().without_idle()), 43_200);
    lasts(
        builder().lifetime(Lifetime::absolute(days(400)).without_idle()),
        400 * DAY,
    );
    // The last call counts.
    let two = builder().lifetime(Lifetime::default().idle(seconds(60)));
    lasts(two.lifetime(Lifetime::absolute(seconds(7200))), 1800);
}

#[test]
fn the_name_of_the_session_cookie_is_known() {
    assert_eq!(builder().build().unwrap().cookie_name(), "__Host-id");
    assert_eq!(builder().cookie_name("shop").build().unwrap().cookie_name(), "shop");
}

#[test]
fn the_cache_of_opened_sessions_takes_64_kib_or_more_or_nothing() {
    for bytes in [1, 8, 65_535] {
        refused(
            builder().opened_cache(bytes),
            &["`opened_cache` takes at least 65536 bytes", "or 0"],
        );
    }
    for bytes in [0, 65_536, 65_537, 1 << 40, usize::MAX] {
        let sessions = builder().opened_cache(bytes).build().unwrap();
        let cookies = sessions.cookie_for_at(Login { user: 7 }, after(0)).unwrap();
        for _ in 0..2 {
            let fields = RequestFields::from_cookies([cookies.clone()]);
            let session = sessions.load_at(fields, after(1));
            assert_eq!(session.get().map(|login| login.user), Some(7));
        }
    }
}
