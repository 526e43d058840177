//! Tests of `cookie.rs`.

use std::convert::Infallible;

use super::*;

/// The number of bytes of cookies that hyper lets through.
const HOSTILE: usize = 400 * 1024;

#[track_caller]
fn assert_values(field: impl AsRef<[u8]>, name: &str, expected: &[&str]) {
    let found: Vec<_> = values(field.as_ref(), name.as_bytes())
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn assert_accepted(attributes: &Attributes, name: &str) {
    assert!(attributes.check(name).is_ok(), "{name} {attributes:?}");
}

#[track_caller]
fn assert_refused(attributes: &Attributes, name: &str, why: &str) {
    let text = attributes.check(name).unwrap_err().to_string();
    assert!(text.contains(why), "{name:?}: {text}");
    assert!(
        !text.starts_with(char::is_uppercase) && !text.ends_with('.') && text.contains("; "),
        "not a lower-case sentence that says what to change: {text}"
    );
}

#[track_caller]
fn assert_path_refused(path: &str, why: &str) {
    assert_refused(&with_path(path), "id", why);
}

#[track_caller]
fn assert_domain_refused(domain: &str, why: &str) {
    assert_refused(&with_domain(domain), "id", why);
}

fn with_path(path: &str) -> Attributes {
    Attributes {
        path: path.into(),
        ..Attributes::default()
    }
}

fn with_domain(domain: &str) -> Attributes {
    Attributes {
        domain: Some(domain.into()),
        ..Attributes::default()
    }
}

fn without_secure() -> Attributes {
    Attributes {
        secure: false,
        ..Attributes::default()
    }
}

/// Each attribute at its greatest length.
fn everything() -> Attributes {
    Attributes {
        path: "/app".into(),
        domain: Some("example.com".into()),
        secure: true,
        same_site: SameSite::Strict,
        partitioned: true,
    }
}

#[test]
fn a_cookie_is_found_among_its_neighbours() {
    assert_values("__Host-id=abc", "__Host-id", &["abc"]);
    assert_values("a=1; __Host-id=abc; b=2", "__Host-id", &["abc"]);
    assert_values("a=1;__Host-id=abc;b=2", "__Host-id", &["abc"]);
    assert_values(" \t__Host-id\t =\t abc \t;b=2", "__Host-id", &["abc"]);
    assert_values("a=1; b=2", "__Host-id", &[]);
    assert_values("__Host-id=", "__Host-id", &[""]);
    assert_values("__Host-id= \t", "__Host-id", &[""]);
    assert_values("__Host-id=a=b==", "__Host-id", &["a=b=="]);
}

#[test]
fn an_empty_field_has_no_cookies() {
    for field in ["", " ", "\t", ";", ";;; ;", "=", "=;="] {
        assert_values(field, "id", &[]);
        assert_values(field, "", &[]);
    }
}

#[test]
fn duplicates_come_in_order() {
    assert_values("id=1; x=0; id=2; id=; id=1", "id", &["1", "2", "", "1"]);
}

#[test]
fn names_that_begin_with_each_other_are_told_apart() {
    let field = "id=1; id-seen=2; i=3; idid=4; __Host-id=5";
    assert_values(field, "id", &["1"]);
    assert_values(field, "id-seen", &["2"]);
    assert_values(field, "i", &["3"]);
    assert_values(field, "__Host-id", &["5"]);
}

#[test]
fn names_are_compared_with_their_case() {
    assert_values("ID=1; Id=2; __HOST-id=3; __host-id=4", "id", &[]);
    assert_values("__HOST-id=3; __host-id=4", "__Host-id", &[]);
}

#[test]
fn a_disguised_name_is_not_decoded() {
    assert_values("__%48ost-id=tossed", "__Host-id", &[]);
    assert_values("%5F%5FHost-id=tossed; __Host%2Did=tossed", "__Host-id", &[]);
    assert_values("\"__Host-id\"=tossed", "__Host-id", &[]);
}

#[test]
fn only_space_and_tab_are_trimmed() {
    for space in [
        "\u{2000}", "\u{a0}", "\u{85}", "\u{3000}", "\u{feff}", "\x0b", "\x0c", "\r", "\n", "\0",
    ] {
        assert_values(format!("a=1; {space}__Host-id=tossed"), "__Host-id", &[]);
        assert_values(format!("__Host-id{space}=tossed"), "__Host-id", &[]);
        let value = format!("{space}abc{space}");
        assert_values(format!("__Host-id={value}"), "__Host-id", &[&value]);
    }
    assert_values(b"\xa0id=tossed; \x85id=tossed", "id", &[]);
}

#[test]
fn quotes_belong_to_the_value_and_do_not_hide_a_semicolon() {
    assert_values("id=\"abc\"", "id", &["\"abc\""]);
    assert_values("a=\"x; id=abc; y\"", "id", &["abc"]);
    assert_values("id=\"abc; b=2\"", "id", &["\"abc"]);
    assert_values("a=\"; id=abc", "id", &["abc"]);
}

#[test]
fn a_comma_separates_nothing() {
    assert_values("a=1, id=2", "id", &[]);
    assert_values("id=1, id=2", "id", &["1, id=2"]);
}

#[test]
fn a_bad_neighbour_is_skipped_alone() {
    assert_values("b\u{e4}r=1; id=abc; c=\u{1f36a}", "id", &["abc"]);
    assert_values(b"\xff\xfe=\x80; id=abc; \xc3", "id", &["abc"]);
    assert_values("flag; id=abc; flag", "id", &["abc"]);
    assert_values("id; id=abc; id", "id", &["abc"]);
    assert_values("=value; id=abc; =", "id", &["abc"]);
    assert_values("==id; =id=1; id=abc", "id", &["abc"]);
    assert_values("a b=1; id=abc; {\"json\": 1}=2", "id", &["abc"]);
    assert_values("a=\0\x01; id=abc; \x7f=1", "id", &["abc"]);
}

#[test]
fn a_pair_without_a_name_is_no_cookie() {
    assert_values("=value", "", &[]);
    assert_values(" = value", "", &[]);
    assert!(!sets(b"=value", b""));
}

#[test]
fn four_hundred_kilobytes_of_anything_are_read_in_one_go() {
    for unit in [
        "=", ";", " ", "\t", "\"", "id", "id=", "a=1;", "id;", "\u{2000}", " \t;", "%48", ",=",
    ] {
        let field = format!("{};id=abc", unit.repeat(HOSTILE / unit.len()));
        assert_eq!(values(field.as_bytes(), b"id").last(), Some(&b"abc"[..]), "{unit:?}");
        assert!(!sets(field.as_bytes(), b"other"), "{unit:?}");
    }
    let field = "id=1;".repeat(HOSTILE / 5);
    assert_eq!(values(field.as_bytes(), b"id").count(), HOSTILE / 5);
}

#[test]
fn a_set_cookie_line_is_known_by_its_name() {
    for line in [
        "id=1",
        "id=",
        " \tid\t = 1; Path=/",
        "id=1; id=2",
        "id==; Secure",
        "id=\"a; Path=/",
    ] {
        assert!(sets(line.as_bytes(), b"id"), "{line}");
    }
    for line in [
        "",
        ";",
        "id",
        "id; Path=/",
        "=id",
        "=id=1",
        "id-seen=1",
        "i=1",
        "ID=1",
        "a=1; id=2",
        "Secure; id=1",
        "; id=1",
        "\u{2000}id=1",
        "%69d=1",
        "\"id\"=1",
    ] {
        assert!(!sets(line.as_bytes(), b"id"), "{line}");
    }
    assert!(sets(b"id=\xff\x00", b"id"));
    assert!(!sets(b"\xa0id=1", b"id"));
}

fn written(attributes: &Attributes, name: &str, value: &str, max_age: Option<u64>) -> String {
    let append = |line: &mut String| {
        line.push_str(value);
        Ok::<(), Infallible>(())
    };
    attributes.write(name, value.len(), max_age, append).unwrap()
}

#[test]
fn what_is_written_is_what_sets_knows() {
    let attributes = Attributes::default();
    assert!(sets(written(&attributes, "id", "abc", None).as_bytes(), b"id"));
    assert!(sets(attributes.write_removal("id").as_bytes(), b"id"));
}

#[test]
fn the_defaults_are_written() {
    let attributes = Attributes::default();
    assert_accepted(&attributes, "__Host-id");
    assert_eq!(
        written(&attributes, "__Host-id", "abc", None),
        "__Host-id=abc; Path=/; Secure; HttpOnly; SameSite=Lax"
    );
    assert_eq!(
        written(&attributes, "__Host-id", "abc", Some(3600)),
        "__Host-id=abc; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax"
    );
}

#[test]
fn every_attribute_has_its_place() {
    assert_eq!(
        written(&everything(), "id", "abc", Some(u64::MAX)),
        "id=abc; Path=/app; Domain=example.com; Max-Age=18446744073709551615; Secure; HttpOnly; SameSite=Strict; \
         Partitioned"
    );
    assert_eq!(
        written(&without_secure(), "id", "", Some(0)),
        "id=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
    );
    let none = Attributes {
        same_site: SameSite::None,
        ..Attributes::default()
    };
    assert_eq!(
        written(&none, "id", "a", None),
        "id=a; Path=/; Secure; HttpOnly; SameSite=None"
    );
}

#[test]
fn removal_repeats_every_attribute() {
    assert_eq!(
        Attributes::default().write_removal("__Host-id"),
        "__Host-id=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax"
    );
    assert_eq!(
        everything().write_removal("id"),
        "id=; Path=/app; Domain=example.com; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; \
         SameSite=Strict; Partitioned"
    );
    assert_eq!(
        without_secure().write_removal("id"),
        "id=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax"
    );
}

#[test]
fn the_longest_line_fits_into_one_allocation() {
    let attributes = everything();
    let mut line = attributes.begin("id", 3);
    let room = line.capacity();
    line.push_str("abc");
    attributes.end(&mut line, Some(u64::MAX), Some(PAST));
    assert_eq!((line.len(), line.capacity()), (room, room));
}

#[test]
fn names_are_tokens_of_at_most_255_bytes() {
    let attributes = Attributes::default();
    for name in ["id", "i", "session.id", "!#$%&'*+-.^_`|~09azAZ", &"n".repeat(255)] {
        assert_accepted(&attributes, name);
    }
    assert_refused(&attributes, "", "name is empty");
    assert_refused(&attributes, &"n".repeat(256), "longer than 255");
    for name in [
        "a b",
        " a",
        "a\t",
        "a=b",
        "a;b",
        "a,b",
        "a\"b",
        "a/b",
        "a@b",
        "(a)",
        "[a]",
        "{a}",
        "a\\",
        "a:",
        "<a>",
        "a?",
        "\u{e9}",
        "\u{2000}a",
        "a\r\nb",
        "\0",
        "\x7f",
    ] {
        assert_refused(&attributes, name, "not a token");
        assert!(!is_token(name), "{name:?}");
    }
    assert!(!is_token(""));
}

#[test]
fn a_prefix_is_kept_to_its_rules() {
    for name in [
        "__Host-id",
        "__Host-",
        "__Secure-id",
        "__Http-id",
        "__Host-Http-id",
        "__Host-Httpid",
    ] {
        assert_accepted(&Attributes::default(), name);
        assert_refused(&without_secure(), name, "without Secure");
    }
    for name in ["__Host-id", "__Host-Http-id", "__Host-Httpid"] {
        assert_refused(&with_path("/app"), name, "with another path");
        assert_refused(&with_domain("example.com"), name, "with a domain");
    }
    for name in [
        "__Secure-id",
        "__Http-id",
        "id",
        "Host-id",
        "_Host-id",
        "__Host",
        "x__Host-id",
    ] {
        assert_accepted(&with_path("/app"), name);
        assert_accepted(&with_domain("example.com"), name);
    }
    for name in [
        "id",
        "Host-id",
        "_Host-id",
        "__Host",
        "__Hos",
        "__Httpid",
        "x__Secure-id",
    ] {
        assert_accepted(&without_secure(), name);
    }
    assert_refused(&with_path("/app"), "__Host-Http-id", "`__Host-Http-`");
    assert_refused(&with_path("/app"), "__Host-id", "`__Host-`");
}

#[test]
fn a_prefix_in_another_case_is_refused() {
    for (name, prefix) in [
        ("__host-id", "`__Host-`"),
        ("__HOST-id", "`__Host-`"),
        ("__hOST-Http-id", "`__Host-Http-`"),
        ("__Host-http-id", "`__Host-Http-`"),
        ("__Host-HTTP-id", "`__Host-Http-`"),
        ("__secure-id", "`__Secure-`"),
        ("__SECURE-id", "`__Secure-`"),
        ("__http-id", "`__Http-`"),
        ("__HTTP-id", "`__Http-`"),
    ] {
        assert_refused(&Attributes::default(), name, prefix);
        assert_refused(&without_secure(), name, "spell it so");
    }
}

#[test]
fn no_prefix_is_hidden_by_a_shorter_one_before_it() {
    for (index, (prefix, _)) in PREFIXES.iter().enumerate() {
        let hidden = PREFIXES[..index].iter().any(|(earlier, _)| prefix.starts_with(earlier));
        assert!(!hidden, "{prefix}");
    }
}

#[test]
fn none_and_partitioned_need_secure() {
    let none = Attributes {
        same_site: SameSite::None,
        ..Attributes::default()
    };
    let partitioned = Attributes {
        partitioned: true,
        ..Attributes::default()
    };
    for (attributes, why) in [(none, "SameSite=None"), (partitioned, "Partitioned")] {
        assert_accepted(&attributes, "id");
        let plain = Attributes {
            secure: false,
            ..attributes
        };
        assert_refused(&plain, "id", why);
    }
    let strict = Attributes {
        same_site: SameSite::Strict,
        ..without_secure()
    };
    assert_accepted(&strict, "id");
    assert_accepted(&without_secure(), "id");
}

#[test]
fn a_path_is_what_browsers_take_for_one() {
    for path in ["/", "/app", "/app/", "/a%20b/~c,d=e", &format!("/{}", "p".repeat(1023))] {
        assert_accepted(&with_path(path), "id");
    }
    for path in ["", "app", " /app", "\t/", "\\app", "\u{2000}/"] {
        assert_path_refused(path, "does not start with `/`");
    }
    assert_path_refused(&format!("/{}", "p".repeat(1024)), "longer than 1024");
    for path in [
        "/a;b",
        "/; Domain=evil.example",
        "/\u{e9}",
        "/a\0",
        "/a\r\nSet-Cookie: x=y",
        "/a\t",
        "/\x7f",
        "/\x1f",
        "/a ",
        "/a b",
    ] {
        assert_path_refused(path, "percent-encode");
    }
}

#[test]
fn a_domain_is_a_host_name_without_outer_dots() {
    let longest = format!("{}c.om", "abcdefg.".repeat(31) + "a");
    assert_eq!(longest.len(), 253);
    for domain in [
        "example.com",
        "EXAMPLE.com",
        "a-b.example",
        "xn--bcher-kva.example",
        "localhost",
        "10.0.0.1",
        &longest,
    ] {
        assert_accepted(&with_domain(domain), "id");
    }
    assert_domain_refused("", "domain is empty");
    assert_domain_refused(&format!("a{longest}"), "longer than 253");
    let long = format!("{}.example", "a".repeat(64));
    for domain in ["-a.example", "a-.example", "a.-", "-", long.as_str()] {
        assert_domain_refused(domain, "label");
    }
    assert_accepted(&with_domain(&long[1..]), "id");
    for domain in [".example.com", "example.com.", "example..com", ".", ".."] {
        assert_domain_refused(domain, "remove the dot");
    }
    for domain in [
        "b\u{fc}cher.example",
        "example.com; Path=/x",
        "a_b.example",
        "example.com:8080",
        "exa mple.com",
        " example.com",
        "*.example.com",
        "[::1]",
        "example.com/",
        "a\r\nb",
        "a\0b",
    ] {
        assert_domain_refused(domain, "other characters");
    }
}
