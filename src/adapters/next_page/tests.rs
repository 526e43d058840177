//! Tests of `next_page.rs`.

use proptest::prelude::*;
use url::{Position, Url};

use super::*;

#[track_caller]
fn assert_address(page: &str, asked: &str, expected: &str) {
    let page = SignInPage::new(page).expect("a path of this site");
    assert_eq!(page.address_for(Some(asked)), expected);
}

#[track_caller]
fn assert_next(query: &str, expected: Option<&str>) {
    assert_eq!(next_page(Some(query)).as_deref(), expected, "{query}");
}

fn shop() -> Url {
    Url::parse("https://shop.example/login?a=b").expect("a URL")
}

// --- There. ---

#[test]
fn the_page_that_was_asked_for_is_encoded_once() {
    assert_address("/login", "/orders?page=2", "/login?next=%2Forders%3Fpage%3D2");
    assert_address("/login", "/caf%C3%A9/a+b~c", "/login?next=%2Fcaf%25C3%25A9%2Fa%2Bb~c");
    assert_address("/login", "/", "/login?next=%2F");
    assert_address("/login", "/a?next=%2Fb&c", "/login?next=%2Fa%3Fnext%3D%252Fb%26c");
}

#[test]
fn the_sign_in_page_keeps_its_query_and_its_fragment() {
    assert_address("/login?lang=de", "/a", "/login?lang=de&next=%2Fa");
    assert_address("/login?", "/a", "/login?next=%2Fa");
    assert_address("/login#form", "/a", "/login?next=%2Fa#form");
    assert_address("/login?lang=de#a?b", "/a", "/login?lang=de&next=%2Fa#a?b");
    assert_address("/login?nextpage=1", "/a", "/login?nextpage=1&next=%2Fa");
}

#[test]
fn a_next_of_the_application_itself_is_the_only_one() {
    for page in ["/login?next=%2Fstart", "/login?lang=de&next=#form", "/login?next"] {
        assert_address(page, "/a", page);
    }
}

#[test]
fn the_sign_in_page_is_not_its_own_next() {
    for page in ["/login", "/login?lang=de", "/login#form"] {
        for asked in ["/login", "/login?next=%2Fa", "/login?"] {
            assert_address(page, asked, page);
        }
    }
    assert_address("/login", "/login/help", "/login?next=%2Flogin%2Fhelp");
    assert_address("/login", "/a?/login", "/login?next=%2Fa%3F%2Flogin");
}

#[test]
fn what_is_no_path_of_this_site_is_no_next() {
    let dotted = "/..//evil /a/../b /. /%2E%2e/a /.%2E//evil /%2e//evil".split(' ');
    for asked in dotted.chain(["//evil", "/\\evil", "/a\\b", "\\evil", "*", "", "evil", "https://evil"]) {
        assert_address("/login", asked, "/login");
    }
    for asked in ["/\t/evil", "/a b", "/\u{e9}", "/\u{7f}"] {
        assert_address("/login", asked, "/login");
    }
    assert_eq!(SignInPage("/login".to_owned()).address_for(None), "/login");
}

#[test]
fn next_has_at_most_1024_bytes_once_encoded() {
    let cases = [
        (format!("/{}", "a".repeat(1021)), true),
        (format!("/{}", "a".repeat(1022)), false),
        ("/a".repeat(256), true),
        ("/a".repeat(257), false),
        (format!("/{}", "a".repeat(100_000)), false),
    ];
    for (asked, fits) in cases {
        let encoded = asked.replace('/', "%2F");
        let expected = if fits {
            format!("/login?next={encoded}")
        } else {
            "/login".to_owned()
        };
        assert_address("/login", &asked, &expected);
        assert_next(&format!("next={encoded}"), fits.then_some(&*asked));
    }
}

#[test]
fn a_sign_in_page_is_a_path_of_this_site() {
    for page in [
        "/",
        "/login",
        "/de/login?a=/../b#c/./d",
        "/login?next=//x",
        "/a..b/.c/...",
    ] {
        assert!(SignInPage::new(page).is_some(), "{page}");
    }
    for page in "login ./login //login /\\login https://login.example/ /../login /a/./b /\u{e9}".split(' ') {
        assert!(SignInPage::new(page).is_none(), "{page}");
    }
    for page in ["", "/login\r\nset-cookie: a=b", "/sign in"] {
        assert!(SignInPage::new(page).is_none(), "{page}");
    }
}

// --- And back. ---

#[test]
fn the_first_next_is_read_and_decoded_once() {
    assert_next("next=%2Forders%3Fpage%3D2", Some("/orders?page=2"));
    assert_next("next=/orders", Some("/orders"));
    assert_next("lang=de&next=%2fa&b", Some("/a"));
    assert_next("next=/a&next=//b", Some("/a"));
    assert_next("next=%2Fcaf%25C3%25A9", Some("/caf%C3%A9"));
    // `+` is no space: a guard writes neither.
    assert_next("next=/a+b", Some("/a+b"));
    assert_next("next=/a=b", Some("/a=b"));
    assert_next("next=/a%23b%26c", Some("/a#b&c"));
    // It is a name on this site, for browsers and for us.
    assert_next("next=%2F%252Fevil", Some("/%2Fevil"));
    assert_eq!(next_page(None), None);
}

#[test]
fn what_would_leave_the_site_is_no_next() {
    let others = "https: https:evil https://evil javascript:alert(1) evil ?a #a // //evil +//evil";
    let backslashes = "/\\evil \\\\evil /%5Cevil %5C%5Cevil /a%5Cb";
    let encoded = "%2F%2Fevil /%2Fevil %2F/evil %252F%252Fevil";
    let control = "%09//evil /%09/evil /%0A/evil /%0d%0aset-cookie:a=b /%00 /%7F /%20/evil /a%20b %20//evil";
    let not_ascii = "/%C3%A9 /%FF /%80 /\u{e9}";
    let broken = "/%2 /% /%2G /%+2 /%zz %";
    let dotted = "/.//evil /..//evil /a/..//evil /%2e%2e//evil /%252e%252e//evil /./%2Fevil";
    let values = [others, backslashes, encoded, control, not_ascii, broken, dotted];
    let values = values.into_iter().flat_map(|values| values.split(' '));
    for value in values.chain(["", "/ /evil", "/\t/evil"]) {
        assert_next(&format!("next={value}"), None);
        assert_next(&format!("a=b&next={value}&next=/a"), None);
    }
    for query in "next next&next=/a Next=/a nextpage=/a anext=/a a;next=/a ?next=/a %6eext=/a".split(' ') {
        assert_next(query, None);
    }
}

// --- Laws. ---

/// Mostly addresses that must be refused.
fn hostile() -> impl Strategy<Value = String> {
    let parts = "/ / \\ . .. : @ ? # % %2F %2f %5C %2e %2E %25 %09 %0A %00 %20 + & ; https: javascript: evil.example a [ ] | ^ \
                 < \" \u{e9} \u{3002} \u{ff0f}";
    let part = prop::sample::select(parts.split(' ').chain(["\t", "\n", " "]).collect::<Vec<_>>());
    prop::collection::vec(part, 0..9).prop_map(|parts| parts.concat())
}

/// A path of this site whose segments are anything visible.
fn own() -> impl Strategy<Value = String> {
    "(/[!-~]{0,9}){1,5}"
        .prop_map(|path| path.replace('\\', "%"))
        .prop_filter("a path of this site", |path| is_own_path(path))
}

proptest! {
    #[test]
    fn a_browser_that_follows_next_stays_on_the_site(query in prop_oneof![
        hostile().prop_map(|value| format!("next={value}")),
        hostile().prop_map(|value| format!("next=/{value}")),
        hostile().prop_map(|value| format!("next=%2F{}", value.replace('%', "%25"))),
        "/(a/|[.]{1,2}/){0,2}/{0,2}[a.]{1,3}".prop_map(|path| format!("next={path}")),
        own().prop_map(|path| format!("next={path}")),
        any::<String>().prop_map(|value| format!("next=/{value}")),
    ]) {
        if let Some(page) = next_page(Some(&query)) {
            let url = shop().join(&page).expect("a path is a reference");
            prop_assert_eq!(url.origin(), shop().origin());
            // A script that resolves the resolved path again stays there too.
            let again = shop().join(&url[Position::BeforePath..]).expect("a path is a reference");
            prop_assert_eq!(again, url);
        }
    }

    #[test]
    fn what_was_asked_for_comes_back(asked in own(), page in own()) {
        let address = SignInPage::new(&page).expect("a path of this site").address_for(Some(&asked));
        let url = shop().join(&address).expect("a path is a reference");
        prop_assert_eq!(url.origin(), shop().origin());
        if address == page {
            prop_assert!(path_of(&asked) == path_of(&page));
        } else {
            prop_assert_eq!(next_page(url.query()), Some(asked.clone()));
            // Any other reader of forms and queries gets the same.
            let (_, last) = url.query_pairs().last().expect("it has a query");
            prop_assert_eq!(last, asked);
        }
    }
}

// --- Navigations. ---

#[test]
fn browsers_say_that_they_navigate() {
    let html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let table: &[(&str, Option<&str>, &[&str], bool)] = &[
        ("GET", Some("navigate"), &[html], true),
        ("GET", Some("navigate"), &[], true),
        ("HEAD", Some("navigate"), &[], true),
        ("POST", Some("navigate"), &[html], false),
        ("GET", Some("cors"), &[html], false),
        ("GET", Some("same-origin"), &["text/html"], false),
        ("GET", Some("no-cors"), &[html], false),
        ("GET", Some("websocket"), &[], false),
        ("GET", Some(""), &[html], false),
        // Without the field.
        ("GET", None, &[html], true),
        ("GET", None, &["application/xml, Text/HTML ; charset=utf-8"], true),
        ("GET", None, &["application/json", "text/html"], true),
        ("HEAD", None, &[html], true),
        ("POST", None, &[html], false),
        ("OPTIONS", None, &[html], false),
        ("DELETE", Some("navigate"), &[html], false),
        ("GET", None, &["*/*"], false),
        ("GET", None, &["application/json"], false),
        ("GET", None, &["text/html5, a/b;c=text/html"], false),
        ("GET", None, &[], false),
        ("HEAD", None, &["*/*"], false),
    ];
    for &(method, mode, accept, expected) in table {
        let accept_lines = accept.iter().map(|line| line.as_bytes());
        let found = is_navigation(method, mode.map(str::as_bytes), accept_lines);
        assert_eq!(found, expected, "{method} {mode:?} {accept:?}");
    }
}
