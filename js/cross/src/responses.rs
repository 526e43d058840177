//! What both sides make of a response: the same lines of `Set-Cookie`, and the same fields for caches.

use sealed_session::{KeyRing, RequestFields, Sessions};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{Choice, JavaScript};

const START: i64 = 1_893_369_600;
const NAMES: [&str; 2] = ["__Host-id", "__Host-id-seen"];
/// Members of `Cache-Control` and of the fields that override it, well-formed and not.
const MEMBERS: [&str; 20] = [
    "public",
    "private",
    "no-store",
    "no-cache",
    "max-age=60",
    "S-MaxAge=5",
    "must-revalidate",
    "must-understand",
    "private=\"a, b\"",
    "ext=\"x, no-store\"",
    "ext=\"open",
    "stale-if-error=9",
    "!no-store",
    "no store",
    "=1",
    "",
    "content=\"ESI/1.0\"",
    "max-age=\"60\"",
    "no-store=\"x\"",
    "Proxy-Revalidate",
];
const TARGETED: [&str; 7] = [
    "CDN-Cache-Control",
    "Surrogate-Control",
    "Edge-Control",
    "X-Accel-Expires",
    "X-LiteSpeed-Cache-Control",
    "Netlify-CDN-Cache-Control",
    "Last-Modified",
];
const VARY: [&str; 7] = [
    "Accept",
    "cookie",
    "Accept, Cookie",
    "*",
    "accept",
    "Accept-Encoding, ,x",
    "\u{e4}",
];
const STATUS: [u16; 11] = [200, 200, 201, 204, 303, 304, 400, 404, 499, 500, 503];

/// The fields of one response, drawn: of the targeted ones a single line each, since JavaScript joins lines.
fn draw_fields(choice: &mut Choice) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let list = |choice: &mut Choice| -> String {
        let count = choice.below(4);
        let members: Vec<_> = (0..count).map(|_| choice.one(&MEMBERS)).collect();
        members.join(choice.one(&[", ", ",", " ,\t"]))
    };
    for _ in 0..choice.below(3) {
        // Of joined lines, a quote that one leaves open takes in a part of the next.
        if !fields
            .iter()
            .any(|(_, line): &(String, String)| line.contains("\"open"))
        {
            fields.push(("Cache-Control".to_owned(), list(choice)));
        }
    }
    for name in TARGETED {
        if choice.below(4) == 0 {
            let value = if choice.below(4) == 0 {
                "0".to_owned()
            } else {
                list(choice)
            };
            fields.push((name.to_owned(), value));
        }
    }
    for _ in 0..choice.below(3) {
        fields.push(("Vary".to_owned(), choice.one(&VARY).to_owned()));
    }
    fields
}

/// What a browser and a cache see: lines of cookies by name and whether they remove it, and the other fields by name.
fn seen(fields: &[(String, String)]) -> Value {
    let all = |name: &str| -> Vec<&str> {
        let of_name = fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| value.as_str()).collect()
    };
    let mut cookies: Vec<_> = all("Set-Cookie")
        .iter()
        .map(|line| {
            let name = line.split('=').next().unwrap_or_default();
            let attributes = line
                .split_once(';')
                .map(|(_, attributes)| attributes)
                .unwrap_or_default();
            format!("{name};{attributes}")
        })
        .collect();
    cookies.sort();
    // The order and the repetition of names in `Vary` have no meaning.
    let vary = all("Vary").join(",").to_ascii_lowercase();
    let mut vary: Vec<_> = vary
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty() && name.is_ascii())
        .collect();
    vary.sort_unstable();
    vary.dedup();
    if vary.contains(&"*") {
        vary = vec!["*"];
    }
    let mut targeted: Vec<_> = fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    targeted.retain(|name| TARGETED.iter().any(|known| known.eq_ignore_ascii_case(name)));
    targeted.sort();
    targeted.dedup();
    // JavaScript gives several lines as one, trimmed.
    let cache: Vec<_> = all("Cache-Control")
        .join(",")
        .split(',')
        .map(|member| member.trim().to_owned())
        .collect();
    json!({"cookies": cookies, "cache": cache, "vary": vary, "targeted": targeted})
}

/// One request and what becomes of its response, on both sides.
pub(crate) fn same_response(choice: &mut Choice, javascript: &mut JavaScript, keys: &str) {
    let now = START + [0, 60, 300, 1799, 1800, 43_199][choice.below(6) as usize];
    let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("before 2106");
    let sessions: Sessions<Value> = Sessions::builder(KeyRing::parse(keys).expect("a ring"))
        .clock(move || at(now))
        .build()
        .expect("a configuration");
    let good = sessions.cookie_for_at(json!({"user": 7}), at(START)).expect("it fits");
    let cookie = match choice.below(5) {
        0 => String::from("theme=dark"),
        1 => format!("{}=x", choice.one(&NAMES)),
        2 => format!("{good}; {}={}", NAMES[0], "A".repeat(100)),
        _ => good,
    };
    let purpose = choice.one(&["", "", "prefetch", " Prefetch;prerender", "prefetched", "pre"]);
    let act = choice.one(&["read", "read", "update", "start", "cycle", "end", "start after end"]);
    let status = STATUS[choice.below(STATUS.len() as u64) as usize];
    let fields = draw_fields(choice);

    let request = RequestFields::from_cookies([cookie.clone()]).with_sec_purpose(purpose);
    let mut session = sessions.load(request);
    let is_read = session.get().is_some();
    let other = json!({"user": 8});
    match act {
        "update" if is_read => session.update(|data| *data = other).map(|_| ()).expect("it fits"),
        "cycle" if is_read => session.cycle_id().map(|_| ()).expect("it fits"),
        "start" => session.start(other).expect("it fits"),
        "end" => session.end().expect("in time"),
        "start after end" => {
            session.end().expect("in time");
            session.start(other).expect("it fits");
        }
        _ => {}
    }
    let mut here = fields.clone();
    session.finish(status, &mut here);
    let question = json!({
        "op": "finish", "keys": keys, "now": now, "cookies": [cookie], "purpose": purpose, "act": act, "status": status,
        "fields": fields,
    });
    let answer = javascript.ask(&question);
    let there: Vec<(String, String)> =
        serde_json::from_value(answer["fields"].clone()).unwrap_or_else(|_| panic!("{answer} to {question}"));
    assert_eq!(seen(&there), seen(&here), "{question}");
}

/// Three times as many responses as rounds.
pub(crate) fn same_responses(choice: &mut Choice, javascript: &mut JavaScript, keys: &str, rounds: u32) {
    for _ in 0..3 * rounds {
        same_response(choice, javascript, keys);
    }
    println!(
        "{} responses: the same cookies and fields for caches on both sides",
        3 * rounds
    );
}
