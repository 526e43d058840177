//! Whether shared caches would store a response: RFC 9111 and 9213, nginx and Varnish in a few lines each.
//!
//! Every doubt counts as "stored": a status, a method or an age that would keep a cache from storing is ignored.

/// Header lines: name and value.
pub type Lines = [(String, String)];

/// Whether a cache would store a response with these lines.
type Cache = fn(&Lines) -> bool;

/// A cache that would store the response, if there is one.
pub fn who_stores(lines: &Lines) -> Option<&'static str> {
    let caches: [(&str, Cache); 6] = [
        ("a cache of RFC 9111", rfc_9111),
        ("a CDN of RFC 9213", rfc_9213),
        ("Akamai", akamai),
        ("LiteSpeed", litespeed),
        ("nginx", nginx),
        ("Varnish", varnish),
    ];
    caches
        .into_iter()
        .find(|(_, stores)| stores(lines))
        .map(|(name, _)| name)
}

/// RFC 9111, section 3: `no-store`, and `private` without an argument, keep a shared cache from storing.
fn rfc_9111(lines: &Lines) -> bool {
    stores(&directives(&all(lines, "Cache-Control")))
}

/// RFC 9213: the first targeted field replaces `Cache-Control`, and each field could be the first for some cache. Every
/// vendor chooses its own name with this end, as Akamai did with `Akamai-Cache-Control`.
fn rfc_9213(lines: &Lines) -> bool {
    let names = lines.iter().map(|(name, _)| name.to_ascii_lowercase());
    let mut targeted = names.filter(|name| name.ends_with("-cache-control"));
    targeted.any(|name| stores(&directives(&all(lines, &name))))
}

/// `Edge-Control` replaces `Cache-Control`. Only its `no-store` forbids storing, and other directives can undo it.
fn akamai(lines: &Lines) -> bool {
    let edge = all(lines, "Edge-Control");
    let edge_has = |wanted| directives(&edge).iter().any(|(name, _)| name == wanted);
    !edge.is_empty() && (!edge_has("no-store") || edge_has("!no-store") || edge_has("cache-maxage"))
}

/// `X-LiteSpeed-Cache-Control` replaces `Cache-Control`; its `private` stores one copy per visitor that it can distinguish.
fn litespeed(lines: &Lines) -> bool {
    let control = all(lines, "X-LiteSpeed-Cache-Control");
    !control.is_empty() && !directives(&control).iter().any(|(name, _)| name == "no-store")
}

/// `ngx_http_upstream.c`: `X-Accel-Expires` overrules `Cache-Control`, which it searches as text; `Set-Cookie`
/// and `Vary: *` keep it from storing.
fn nginx(lines: &Lines) -> bool {
    let expires = all(lines, "X-Accel-Expires");
    let forbids = |value: &&str| {
        let value = value.to_ascii_lowercase();
        ["no-cache", "no-store", "private"]
            .iter()
            .any(|word| value.contains(word))
    };
    let is_cookie = !all(lines, "Set-Cookie").is_empty() || all(lines, "Vary").contains(&"*");
    let is_forced = expires.iter().any(|&value| value != "0");
    !is_cookie && (is_forced || (expires.is_empty() && !all(lines, "Cache-Control").iter().any(forbids)))
}

/// `builtin.vcl`: with a `Surrogate-Control` without `no-store`, it ignores `Cache-Control`. Of several
/// `Surrogate-Control` lines it reads the first.
fn varnish(lines: &Lines) -> bool {
    let surrogate = all(lines, "Surrogate-Control")
        .first()
        .map(|value| value.to_ascii_lowercase());
    let control = all(lines, "Cache-Control").join(", ").to_ascii_lowercase();
    let is_private = ["no-cache", "no-store", "private"]
        .iter()
        .any(|word| control.contains(word));
    let is_kept_out = match surrogate {
        Some(surrogate) => surrogate.contains("no-store"),
        None => is_private,
    };
    all(lines, "Set-Cookie").is_empty() && !is_kept_out && all(lines, "Vary").join(", ") != "*"
}

/// `must-understand` suspends `no-store` (RFC 9111, section 5.2.2.3); of a member that comes twice, the last counts
/// (RFC 9213 by way of RFC 8941, section 3.2).
fn stores(directives: &[(String, Option<String>)]) -> bool {
    let last = |wanted| directives.iter().rfind(|(name, _)| name == wanted);
    let is_bare = |wanted| last(wanted).is_some_and(|(_, argument)| argument.is_none());
    !is_bare("private") && (!is_bare("no-store") || last("must-understand").is_some())
}

/// The values of all lines of this name, without white space at both ends.
pub fn all<'a>(lines: &'a Lines, name: &str) -> Vec<&'a str> {
    let lines = lines.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    lines.map(|(_, value)| value.trim_matches([' ', '\t'])).collect()
}

/// Names in lower case and arguments: split at commas outside of quotes, without any check of the syntax.
fn directives(values: &[&str]) -> Vec<(String, Option<String>)> {
    let mut members = vec![String::new()];
    for value in values {
        let (mut is_quoted, mut is_escaped) = (false, false);
        for character in value.chars() {
            match character {
                ',' if !is_quoted => members.push(String::new()),
                _ => members.last_mut().expect("never empty").push(character),
            }
            (is_quoted, is_escaped) = match character {
                '"' if !is_escaped => (!is_quoted, false),
                '\\' if is_quoted => (true, !is_escaped),
                _ => (is_quoted, false),
            };
        }
        members.push(String::new());
    }
    let read = |member: String| match member.split_once('=') {
        Some((name, argument)) => (name.trim().to_ascii_lowercase(), Some(argument.to_owned())),
        None => (member.trim().to_ascii_lowercase(), None),
    };
    members.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_stored(lines: &[(&str, &str)], by: Option<&str>) {
        let lines: Vec<_> = lines
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(who_stores(&lines), by, "{lines:?}");
    }

    #[test]
    fn caches_store_a_response_that_no_directive_forbids() {
        assert_stored(&[], Some("a cache of RFC 9111"));
        assert_stored(&[("cache-control", "public, max-age=60")], Some("a cache of RFC 9111"));
        assert_stored(
            &[("Cache-Control", "private=\"x\", ext=\"a, no-store\"")],
            Some("a cache of RFC 9111"),
        );
        for line in [
            "private",
            "max-age=60, PRIVATE",
            "no-store",
            "ext=\"a, \\\"b\", private",
        ] {
            assert_stored(&[("Cache-Control", line)], None);
            assert_stored(&[("Cache-Control", "max-age=60"), ("cache-control", line)], None);
        }
    }

    #[test]
    fn targeted_fields_outweigh_private() {
        let private = ("Cache-Control", "private");
        assert_stored(
            &[private, ("CDN-Cache-Control", "max-age=60")],
            Some("a CDN of RFC 9213"),
        );
        assert_stored(&[private, ("x-cdn-cache-control", "")], Some("a CDN of RFC 9213"));
        assert_stored(&[private, ("CDN-Cache-Control", "no-store")], None);
        for stored in [
            "must-understand, no-store",
            "no-store, no-store=0",
            "private, private=\"x\"",
        ] {
            assert_stored(&[private, ("CDN-Cache-Control", stored)], Some("a CDN of RFC 9213"));
            assert_stored(&[private, ("Akamai-Cache-Control", stored)], Some("a CDN of RFC 9213"));
        }
        assert_stored(&[("Cache-Control", "private, must-understand, no-store")], None);
        assert_stored(&[private, ("X-LiteSpeed-Cache-Control", "private")], Some("LiteSpeed"));
        assert_stored(&[private, ("X-LiteSpeed-Cache-Control", "no-store")], None);
        assert_stored(&[private, ("Edge-Control", "private")], Some("Akamai"));
        assert_stored(&[private, ("Edge-Control", "no-store, !no-store")], Some("Akamai"));
        assert_stored(&[private, ("X-Accel-Expires", "60")], Some("nginx"));
        assert_stored(&[private, ("X-Accel-Expires", "0")], None);
        assert_stored(&[private, ("X-Accel-Expires", "60"), ("Set-Cookie", "a=b")], None);
        assert_stored(&[private, ("Surrogate-Control", "private")], Some("Varnish"));
        assert_stored(
            &[
                private,
                ("Surrogate-Control", "max-age=60"),
                ("Surrogate-Control", "no-store"),
            ],
            Some("Varnish"),
        );
        assert_stored(&[private, ("Surrogate-Control", "NO-STORE")], None);
    }
}
