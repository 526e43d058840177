//! Any existing header lines and any state of a session: no shared cache stores a response that carries a session or
//! depends on one, and unrelated fields stay as they were.
//!
//! Input: the state, the status, then lines `Name: value`.

use std::sync::LazyLock;

use sealed_session::headers::Patch;
use sealed_session::{KeyRing, RequestFields, Session, Sessions};

use crate::fixtures::{at, key, rows, text};
use crate::input::Input;
use crate::reference::caches::{Lines, all, who_stores};

const NOW: u64 = 1_893_369_660;
/// The effect of the session on the response.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depends {
    No,
    OnNoCookie,
    OnCookie,
}

static SESSIONS: LazyLock<(Sessions<u32>, String)> = LazyLock::new(|| {
    let sessions = Sessions::builder(KeyRing::new(key(200)))
        .cookie_name("id")
        .build()
        .expect("a configuration");
    let cookies = sessions.cookie_for_at(7, at(NOW)).expect("a small session");
    (sessions, cookies)
});

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let state = input.below(14);
    let status = [200, 204, 302, 304, 404, 500, 103, 201][input.below(8)];
    let lines: Vec<(String, String)> = input.lines().into_iter().filter_map(line).collect();
    let (sessions, cookies) = &*SESSIONS;
    let load = |cookies: &str, now| sessions.load_at(RequestFields::from_cookies([cookies.to_owned()]), at(now));
    let mut session = match state {
        2 => load("theme=dark", NOW),
        3 => load("id=AZ5I", NOW),
        13 => load(cookies, NOW + 1000),
        _ => load(cookies, NOW),
    };
    let depends = act(&mut session, state);
    let patch = session.finish_patch(status);
    let (headers, sent) = (applied(&lines, &patch), sent(&patch));
    assert!(state != 12 || sent.is_empty(), "{sent:?}");
    match depends {
        Depends::No => assert_eq!(headers, lines),
        Depends::OnNoCookie => {
            varies(&headers);
            assert_eq!(without(&headers, &["Vary"]), without(&lines, &["Vary"]));
        }
        Depends::OnCookie => {
            varies(&headers);
            assert_eq!(who_stores(&headers), None, "{headers:?}");
            // Every reader sees one line, and each shared cache the first word that is for it.
            let control = all(&headers, "Cache-Control");
            assert!(control.len() == 1 && control[0].starts_with("private"), "{control:?}");
            // Without the cookies too: a proxy may drop them before it stores.
            let bare: Vec<_> = without(&headers, &["Set-Cookie"]);
            assert_eq!(who_stores(&bare), None, "without the cookies: {bare:?}");
            // A line that is sent replaces all lines of its name. If none is sent, all of the application's lines stay.
            for name in ["id", "id-seen"] {
                let ours: Vec<_> = sent.iter().filter(|line| sets(line, name)).collect();
                let (before, after) = (all_setting(&lines, name), all_setting(&headers, name));
                assert!(ours.len() <= 1, "{name}: {sent:?}");
                match ours.first() {
                    Some(&line) => assert_eq!(after, [line], "{name}"),
                    None => assert_eq!(after, before, "{name}"),
                }
            }
            let others = |lines: &Lines| -> Vec<(String, String)> {
                lines
                    .iter()
                    .filter(|(name, value)| !is_merged(name) && !is_ours(name, value))
                    .cloned()
                    .collect()
            };
            assert_eq!(others(&headers), others(&lines));
            let kept = headers.iter().filter(|(name, _)| is_targeted(name));
            kept.for_each(|line| assert!(lines.contains(line), "{line:?} is new"));
        }
    }
}

/// Brings the session into a state, and returns how the response depends on it.
fn act(session: &mut Session<u32>, state: usize) -> Depends {
    match state {
        0 => return Depends::No,
        1 => {
            let _ = session.peek();
            return Depends::No;
        }
        2 => {
            let _ = session.get();
            return Depends::OnNoCookie;
        }
        3 | 4 | 13 => _ = session.get(),
        5 => session.touch().expect("not finished"),
        6 => _ = session.update(|data| *data = 8).expect("small"),
        7 => session.cycle_id().expect("not finished"),
        8 => session.start(9).expect("small"),
        9 => session.end().expect("not finished"),
        10 => {
            session.end().expect("not finished");
            session.start(9).expect("small");
        }
        11 => _ = session.update(|data| *data = 7).expect("small"),
        _ => _ = session.state(),
    }
    if state == 12 {
        // The response that is built gets the patch of the second finish.
        session.finish(200, &mut Vec::<(String, String)>::new());
    }
    Depends::OnCookie
}

fn line(bytes: &[u8]) -> Option<(String, String)> {
    let (name, value) = str::from_utf8(bytes).ok()?.split_once(": ")?;
    let is_token = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.!~".contains(&byte));
    // Servers allow no control characters in a header block except the tab.
    let is_value = value.bytes().all(|byte| byte >= b' ' && byte != 0x7f || byte == b'\t');
    (is_token && is_value).then(|| (name.to_owned(), value.to_owned()))
}

/// Applies the patch. A second application changes only the order of names.
fn applied(lines: &Lines, patch: &Patch) -> Vec<(String, String)> {
    let mut once = lines.to_vec();
    patch.apply(&mut once);
    let mut twice = once.clone();
    patch.apply(&mut twice);
    let sorted = |lines: &Lines| {
        let mut lines = lines.to_vec();
        lines.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        lines
    };
    assert_eq!(sorted(&twice), sorted(&once), "applied twice");
    once
}

fn varies(headers: &Lines) {
    let vary = all(headers, "Vary");
    assert_eq!(vary.len(), 1, "{vary:?}");
    let names =
        |member: &str| ["*", "cookie"].contains(&member.trim_matches([' ', '\t']).to_ascii_lowercase().as_str());
    assert!(vary[0].split(',').any(names), "{vary:?}");
}

fn without(lines: &Lines, names: &[&str]) -> Vec<(String, String)> {
    let is_kept = |name: &str| !names.iter().any(|other| name.eq_ignore_ascii_case(other));
    lines.iter().filter(|(name, _)| is_kept(name)).cloned().collect()
}

fn sent(patch: &Patch) -> Vec<String> {
    patch.set_cookies().map(str::to_owned).collect()
}

fn is_ours(name: &str, value: &str) -> bool {
    name.eq_ignore_ascii_case("Set-Cookie") && (sets(value, "id") || sets(value, "id-seen"))
}

fn all_setting<'a>(lines: &'a Lines, name: &str) -> Vec<&'a str> {
    let lines = all(lines, "Set-Cookie").into_iter();
    lines.filter(|line| sets(line, name)).collect()
}

/// Whether this `Set-Cookie` line sets the cookie called `name`.
fn sets(line: &str, name: &str) -> bool {
    let pair = line.split(';').next().and_then(|pair| pair.split_once('='));
    pair.is_some_and(|(cookie, _)| cookie.trim_matches([' ', '\t']) == name)
}

fn is_merged(name: &str) -> bool {
    ["cache-control", "vary"].contains(&&*name.to_ascii_lowercase()) || is_targeted(name)
}

fn is_targeted(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["x-accel-expires", "surrogate-control", "edge-control"].contains(&&*name) || name.ends_with("-cache-control")
}

/// Every state with header blocks of every kind; the tokens of the vectors come as lines that were set before.
pub fn seeds() -> Vec<Vec<u8>> {
    let blocks = [
        "",
        "Content-Type: text/html\nCache-Control: public, max-age=60\nVary: Accept-Encoding\nVary: Accept",
        "Cache-Control: private=\"X-A\", no-cache=\"Set-Cookie\", s-maxage=60\ncache-control: stale-if-error=5",
        "X-Accel-Expires: 60\nSurrogate-Control: no-store\nSurrogate-Control: max-age=60\nEdge-Control: no-store",
        "X-Accel-Expires: 0\nCDN-Cache-Control: private\nCloudflare-CDN-Cache-Control: max-age=60\nVary: *",
        "Surrogate-Control: private\nContent-Type: text/html",
        "Edge-Control: private\nCache-Control: public",
        "Surrogate-Control: no-store, content=\"ESI/1.0\"\nEdge-Control: !no-store, max-age=1d\nExpires: 0",
        "Set-Cookie: id=1\nSet-Cookie: id=2; Path=/\nset-cookie: id =3\nSet-Cookie: id-seen=4\nSet-Cookie: id-seen=5",
        "Akamai-Cache-Control: max-age=60\nX-LiteSpeed-Cache-Control: private\nCDN-Cache-Control: no-store, must-understand",
    ];
    let mut seeds = Vec::new();
    for state in 0..14u8 {
        for (status, block) in blocks.iter().enumerate() {
            seeds.push([&[state, status as u8], block.as_bytes()].concat());
        }
    }
    for row in rows("vectors").iter().filter(|row| text(row, "expect") == "ok") {
        let block = format!(
            "Set-Cookie: id={}; Path=/\nSet-Cookie: theme=dark\nCache-Control: max-age=60",
            text(row, "token")
        );
        seeds.push([&[6, 0], block.as_bytes()].concat());
    }
    seeds
}
