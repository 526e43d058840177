//! Tests of `cache.rs`.

use super::*;

const HOSTILE: usize = 400 * 1024;

/// Hostile lines are made of these units.
const UNITS: [&str; 22] = [
    ",",
    " ",
    "\t",
    "\"",
    "\\",
    "=",
    "a",
    "a,",
    "a=",
    "=\"",
    "a=\"",
    "a=\",",
    "\"=",
    "\\\"",
    "a=\"\\\"",
    "a=\"b\",",
    "\"a\"",
    "\u{2000}",
    " ,",
    "private=\"",
    "a=\"\u{1}",
    "=\"\\",
];

fn bytes<'a>(lines: &'a [&'a str]) -> impl Iterator<Item = &'a [u8]> {
    lines.iter().map(|line| line.as_bytes())
}

#[track_caller]
fn assert_private(lines: &[&[u8]], expected: &str) -> bool {
    let merged = merge_private(lines.iter().copied());
    assert_eq!(merged.value, expected);
    let again = merge_private([merged.value.as_bytes()]);
    assert_eq!(
        (again.value.as_str(), again.removed_public),
        (expected, false),
        "merged again"
    );
    merged.removed_public
}

#[track_caller]
fn assert_merges(lines: &[&str], expected: &str) {
    let lines: Vec<_> = bytes(lines).collect();
    assert_private(&lines, expected);
}

#[track_caller]
fn assert_vary(lines: &[&str], expected: Option<&str>) {
    let merged = merge_vary(bytes(lines), "Cookie");
    assert_eq!(merged.as_deref(), expected);
    if let Some(merged) = merged {
        assert_eq!(merge_vary([merged.as_bytes()], "Cookie"), None, "merged again");
    }
}

#[test]
fn without_a_directive_it_becomes_private_no_cache() {
    assert_merges(&[], "private, no-cache");
    assert_merges(&[""], "private, no-cache");
    assert_merges(&["", " \t", ",, ,"], "private, no-cache");
    assert_merges(&["max age", "=5", "\"", "a=b=c"], "private, no-cache");
    assert_private(&[b"\xff", b"no-store\x00"], "private, no-cache");
}

#[test]
fn the_other_directives_stay_in_order() {
    assert_merges(&["max-age=60"], "private, max-age=60");
    assert_merges(
        &["no-transform, Max-Age=60", "must-revalidate,max-age=5\t,\t immutable"],
        "private, no-transform, Max-Age=60, must-revalidate, max-age=5, immutable",
    );
    assert_merges(
        &["NO-STORE, no-cache=\"Set-Cookie, X-A\", ext=\"\""],
        "private, NO-STORE, no-cache=\"Set-Cookie, X-A\", ext=\"\"",
    );
    assert_merges(
        &["a!#$%&'*+-.^_`|~=b!#$%&'*+-.^_`|~"],
        "private, a!#$%&'*+-.^_`|~=b!#$%&'*+-.^_`|~",
    );
}

#[test]
fn what_is_private_already_stays_as_it_is() {
    for value in [
        "private",
        "private, no-cache",
        PRIVATE_NO_STORE,
        "private, max-age=0, must-revalidate",
        "private, max-age=60, ext=\"a, \\\"b\"",
    ] {
        assert_merges(&[value], value);
    }
    assert_merges(&["max-age=60,PRIVATE"], "private, max-age=60");
    assert_merges(&["private", "private", "no-cache"], "private, no-cache");
}

#[test]
fn what_lets_shared_caches_store_is_dropped() {
    for name in [
        "s-maxage",
        "proxy-revalidate",
        "stale-while-revalidate",
        "stale-if-error",
        "public",
    ] {
        for written in [name.to_owned(), name.to_uppercase()] {
            for directive in [format!("{written}=60"), format!("{written}=\"60\""), written] {
                assert_merges(&[&directive], "private");
                assert_merges(
                    &["no-transform", &format!("max-age=1,{directive} ,x")],
                    "private, no-transform, max-age=1, x",
                );
            }
        }
    }
}

#[test]
fn names_that_begin_alike_are_told_apart() {
    assert_merges(
        &["publicly, s-maxage2=1, x-public, privately, stale-if"],
        "private, publicly, s-maxage2=1, x-public, privately, stale-if",
    );
}

#[test]
fn a_qualified_private_becomes_the_unqualified_one() {
    assert_merges(&["private=\"X-A\""], "private");
    assert_merges(
        &["max-age=60, Private=\"X-A, X-B\", no-transform"],
        "private, max-age=60, no-transform",
    );
    assert_merges(&["private=x"], "private");
}

#[test]
fn a_removed_public_is_reported() {
    assert!(assert_private(&[b"public"], "private"));
    assert!(assert_private(
        &[b"max-age=5", b"no-transform, PUBLIC"],
        "private, max-age=5, no-transform"
    ));
    assert!(assert_private(&[b"public, public"], "private"));
    for line in [
        &b"private"[..],
        b"s-maxage=5",
        b"publicly",
        b"ext=\"a, public, b\"",
        b"public\xff",
        b"",
    ] {
        assert!(!merge_private([line]).removed_public, "{line:?}");
    }
}

#[test]
fn malformed_members_are_dropped_alone() {
    for bad in [
        "max age=5",
        "max-age =5",
        "max-age= 5",
        "max-age=",
        "=5",
        "=",
        "a=b=c",
        "a=b c",
        "\"quoted\"",
        "a=\"b\"c",
        "a=\"b\" c",
        "a=b\"c\"",
        "a=\"b\"\"c\"",
        "a=\"b\\\u{1}\"",
        "a;b",
        "(a)",
        "b\u{e9}",
        "a=\u{e9}",
        "a=\"\u{e9}\"",
        "\u{2000}no-store",
        "a\0",
        "a=\"\u{7f}\"",
        "no-store\r\nX-A: b",
    ] {
        assert_merges(
            &[&format!("no-transform,{bad},max-age=5")],
            "private, no-transform, max-age=5",
        );
        assert_merges(&[bad, "max-age=5"], "private, max-age=5");
    }
    assert_private(&[b"\xff, a=\xfe\", max-age=5, \xc3"], "private, max-age=5");
}

#[test]
fn a_comma_in_a_quoted_string_does_not_split() {
    assert_merges(
        &["ext=\"a, public, b\", max-age=5"],
        "private, ext=\"a, public, b\", max-age=5",
    );
    assert_merges(&["ext=\"a\\\", no-store, b\""], "private, ext=\"a\\\", no-store, b\"");
    assert_merges(&["ext=\"a\\\\\", no-store"], "private, ext=\"a\\\\\", no-store");
    assert_merges(&["ext=\"\t,\u{20}~\""], "private, ext=\"\t, ~\"");
    assert_merges(&["e=\"\u{e9}, no-store, b\", max-age=5"], "private, max-age=5");
}

#[test]
fn a_quote_that_never_closes_swallows_nothing() {
    assert_merges(&["ext=\"a, no-store, max-age=5"], "private, no-store, max-age=5");
    assert_merges(&["ext=\"a\\\", no-store"], "private, no-store");
    assert_merges(&["ext=\"a, no-store\\, x"], "private, x");
    assert_merges(&["ext=\"a", "no-store, b=\"c, d\""], "private, no-store, b=\"c, d\"");
    assert_merges(&["a=\"b, c\", ext=\"d, no-store"], "private, a=\"b, c\", no-store");
    assert_merges(
        &["ext=\"a\u{1}, no-store, b=\", max-age=5"],
        "private, no-store, max-age=5",
    );
    assert_merges(
        &["ext=\"a\u{1}, b=\"c, d\", max-age=5"],
        "private, b=\"c, d\", max-age=5",
    );
    assert_merges(&["a\", no-store, b=\"c"], "private, no-store");
    assert_merges(&["ext\"a, no-store, b\"c"], "private, no-store");
    assert!(assert_private(&[b"ext=\"a, public"], "private"));
}

#[test]
fn vary_is_left_alone_when_it_is_right() {
    for line in [
        "Cookie",
        "cookie",
        "Accept, COOKIE",
        "Cookie,Accept",
        "\tCookie ",
        "*",
        " * ",
        "Accept,,Cookie, a b",
        "Cookie, Cookie",
    ] {
        assert_vary(&[line], None);
    }
    assert_eq!(merge_vary([&b"*"[..]], "*"), None);
}

#[test]
fn vary_gets_the_field() {
    assert_vary(&[], Some("Cookie"));
    assert_vary(&[""], Some("Cookie"));
    assert_vary(&[" , ,\t"], Some("Cookie"));
    assert_vary(&["Accept"], Some("Accept, Cookie"));
    assert_vary(&["X-Cookie, Cookies, Cook"], Some("X-Cookie, Cookies, Cook, Cookie"));
    assert_eq!(
        merge_vary([&b"Cookie"[..]], "X-State").as_deref(),
        Some("Cookie, X-State")
    );
    assert_eq!(merge_vary([&b"accept, x-state"[..]], "X-State"), None);
}

#[test]
fn several_vary_lines_become_one_without_repeats() {
    assert_vary(&["Cookie", "Accept"], Some("Cookie, Accept"));
    assert_vary(&["Accept", "Cookie"], Some("Accept, Cookie"));
    assert_vary(&["Cookie", "cookie"], Some("Cookie"));
    assert_vary(&["Cookie", ""], Some("Cookie"));
    assert_vary(
        &["Origin, accept,ORIGIN", "Accept-Encoding, Accept", "\tX-A"],
        Some("Origin, accept, Accept-Encoding, X-A, Cookie"),
    );
}

#[test]
fn a_star_in_vary_outweighs_the_rest() {
    assert_vary(&["Accept, *"], Some("*"));
    assert_vary(&["*, Accept"], Some("*"));
    assert_vary(&["*", "*"], Some("*"));
    assert_vary(&["Cookie", "*"], Some("*"));
    assert_vary(&["Accept", "Origin , * ,X-A", "Cookie"], Some("*"));
    assert_eq!(merge_vary([&b"Accept"[..]], "*").as_deref(), Some("*"));
    assert_vary(&["**", "a*"], Some("**, a*, Cookie"));
}

#[test]
fn malformed_vary_members_are_dropped_alone() {
    assert_vary(
        &["a b, Accept, \u{e9}, \"x\", (y), z=1, \u{2000}Cookie"],
        Some("Accept, Cookie"),
    );
    assert_vary(&["\"Accept, Origin, X\""], Some("Origin, Cookie"));
    let merged = merge_vary([&b"\xff, Accept, \x00, a\r\nb"[..], b"\x80"], "Cookie");
    assert_eq!(merged.as_deref(), Some("Accept, Cookie"));
}

#[test]
fn targeted_fields_are_known_in_any_case() {
    for name in [
        "X-Accel-Expires",
        "Surrogate-Control",
        "Edge-Control",
        "CDN-Cache-Control",
        "Cloudflare-CDN-Cache-Control",
        "Vercel-CDN-Cache-Control",
        "Netlify-CDN-Cache-Control",
        "A-B-CDN-Cache-Control",
        "Akamai-Cache-Control",
        "X-LiteSpeed-Cache-Control",
        "Souin-Cache-Control",
    ] {
        for name in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
            assert!(is_targeted(&name), "{name}");
        }
    }
    for name in [
        "",
        "Cache-Control",
        "XCache-Control",
        "-Cache-Contro",
        "CDN-Cache-Control-X",
        "CDN-Cache-Contro",
        "X-Surrogate-Control",
        "Surrogate-Control-X",
        "X-Accel-Expire",
        "Expires",
        "Edge-Controls",
        "\u{e9}\u{2000}Cache-Control",
        "CDN\u{2010}Cache-Control",
        "\u{2000}\u{2000}\u{2000}\u{2000}\u{2000}\u{2000}\u{2000}",
    ] {
        assert!(!is_targeted(name), "{name}");
    }
}

#[track_caller]
fn assert_forbids(name: &str, lines: &[&str], expected: bool) {
    assert_eq!(forbids_storing(name, bytes(lines)), expected, "{name}: {lines:?}");
}

#[test]
fn only_an_exact_zero_makes_nginx_store_nothing() {
    for name in ["X-Accel-Expires", "x-accel-expires"] {
        assert_forbids(name, &["0"], true);
        assert_forbids(name, &["0", "0"], true);
        for value in [
            "",
            "1",
            "00",
            "@0",
            "-0",
            "off",
            "0 ",
            " 0",
            "0, 0",
            "no-store",
            "private",
            "\u{2000}0",
        ] {
            assert_forbids(name, &[value], false);
            assert_forbids(name, &["0", value], false);
        }
    }
    assert_forbids("Surrogate-Control", &["0"], false);
}

#[test]
fn a_targeted_field_forbids_storing_only_without_a_doubt() {
    for name in [
        "CDN-Cache-Control",
        "surrogate-control",
        "Edge-Control",
        "Cloudflare-CDN-Cache-Control",
    ] {
        for value in [
            "no-store",
            "private",
            "NO-STORE",
            "Private",
            " no-store ,, no-cache",
            "no-cache, private, content=\"ESI/1.0, max-age=5\"",
            "must-revalidate,no-store",
        ]
        .into_iter()
        .filter(|value| name.ends_with("Cache-Control") || value.to_lowercase().contains("no-store"))
        {
            assert_forbids(name, &[value], true);
            assert_forbids(name, &[value, "no-store"], true);
        }
        for value in [
            "",
            "max-age=60",
            "no-cache",
            "!no-store",
            "no-store2",
            "x-private",
            "private=\"X-A\"",
            "private=x",
            "no-store=0",
            "no-store=\"\"",
            "no-store, max-age=60",
            "max-age=60, no-store",
            "no-store, MAX-AGE=0",
            "private, S-Maxage=60",
            "no-store, max-age",
            "private, s-maxage=\"60\"",
            "no-store, max-age =60",
            "no-store, max-age=\"60",
            "no-store;abc",
            "no-store;max-age=60",
            "no-store max-age=60",
            "ext=\"a, no-store, b\"",
            "ext=\"a, no-store",
            "\u{2000}no-store",
            "no-store\u{e9}",
            "no-store, \u{e9}",
            "no-store, must-understand",
            "Must-Understand, no-store, no-cache",
            "no-store, !no-store",
            "no-store, cache-maxage=1d",
            "no-store, no-store=0",
            "no-store, private=\"x\"",
            "no-store, no-cache=\"Set-Cookie\"",
            "no-store, stale-if-error=60",
            "no-store, public",
        ] {
            assert_forbids(name, &[value], false);
            assert_forbids(name, &["no-store", value], false);
            assert_forbids(name, &[value, "no-store"], false);
        }
        assert!(!forbids_storing(name, [&b"no-store\xff"[..]]));
    }
}

/// Varnish reads only `no-store` in `Surrogate-Control`, and then does not read `Cache-Control`. `Edge-Control` has no
/// `private` either.
#[test]
fn where_private_is_no_directive_it_forbids_nothing() {
    for name in ["Surrogate-Control", "edge-control", "X-Litespeed-Cache-Control"] {
        for value in ["private", "Private, no-cache", "no-cache, private, content=\"ESI/1.0\""] {
            assert_forbids(name, &[value], false);
            assert_forbids(name, &["no-store", value], false);
        }
        assert_forbids(name, &["private, no-store"], true);
    }
    assert_forbids("CDN-Cache-Control", &["private"], true);
}

#[test]
fn without_lines_there_is_nothing_to_remove() {
    assert_forbids("CDN-Cache-Control", &[], true);
    assert_forbids("X-Accel-Expires", &[], true);
}

#[test]
fn four_hundred_kilobytes_of_anything_are_merged_in_one_go() {
    for unit in UNITS {
        let line = format!("no-store,{}", unit.repeat(HOSTILE / unit.len()));
        let merged = merge_private([line.as_bytes()]);
        assert!(merged.value.starts_with("private, no-store"), "{unit:?}");
        assert_eq!(merge_private([merged.value.as_bytes()]).value, merged.value, "{unit:?}");
        let vary = merge_vary([line.as_bytes()], "Cookie").unwrap();
        assert!(vary.starts_with("no-store, ") && vary.ends_with("Cookie"), "{unit:?}");
        assert!(
            !forbids_storing("Edge-Control", [line.as_bytes(), b"max-age=5"]),
            "{unit:?}"
        );
        assert!(!is_targeted(&line), "{unit:?}");
    }
    let different: String = (0..HOSTILE / 8).map(|number| format!("{number:07},")).collect();
    let vary = merge_vary([different.as_bytes(), different.as_bytes()], "Cookie").unwrap();
    assert_eq!(vary.split(", ").count(), HOSTILE / 8 + 1);
    let lines = vec![&b"a=\",x"[..]; HOSTILE / 5];
    assert!(merge_private(lines).value.ends_with(", x"));
}

#[test]
fn every_short_line_merges_to_a_fixed_point() {
    let alphabet = b"a=\",\\ \x01\xe9";
    for length in 0..=5 {
        let mut line = vec![0; length];
        for number in 0..alphabet.len().pow(length as u32) {
            let mut rest = number;
            for byte in &mut line {
                *byte = alphabet[rest % alphabet.len()];
                rest /= alphabet.len();
            }
            let merged = merge_private([&line[..]]);
            assert!(merged.value.is_ascii() && !merged.value.contains('\u{1}'), "{line:?}");
            assert_eq!(merge_private([merged.value.as_bytes()]), merged, "{line:?}");
            let vary = merge_vary([&line[..]], "Cookie").unwrap();
            assert_eq!(merge_vary([vary.as_bytes()], "Cookie"), None, "{line:?}");
        }
    }
}
