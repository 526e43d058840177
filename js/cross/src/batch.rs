//! The crate's side of a run in another runtime, which is no child process to ask: sessions for it to open, and answers
//! about what it wrote.
//!
//! `cross sessions` prints one JSON object per line: the options that `../cross.js` names, `cookies`, and under `opens`
//! what is found in them. `cross open` reads lines of the same options with `cookies`, and answers like the operation
//! `open` of `../cross.js`, in the same order.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::time::Duration;

use sealed_session::device::{DeviceBinding, DeviceState};
use sealed_session::{Key, KeyRing, Lifetime, RequestFields, SessionState, Sessions};
use serde_json::{Value, json};
use testkit::{hex, unhex};
use time::OffsetDateTime;

use crate::{Choice, outcome_of};

/// The options of a line, as text.
fn options_of(line: &Value) -> String {
    let names = [
        "keys",
        "name",
        "audience",
        "idle",
        "absolute",
        "remembered",
        "device",
        "chunks",
        "largest_cookies",
    ];
    json!(names.map(|name| &line[name])).to_string()
}

fn seconds(value: &Value) -> Option<Duration> {
    value.as_u64().map(Duration::from_secs)
}

/// A lifetime in seconds; without `idle`, a session stays until its absolute end.
fn lifetime(absolute: &Value, idle: &Value) -> Lifetime {
    let lifetime = Lifetime::absolute(seconds(absolute).expect("seconds"));
    match seconds(idle) {
        Some(idle) => lifetime.idle(idle),
        None => lifetime.without_idle(),
    }
}

fn time_of(line: &Value) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(line["now"].as_i64().expect("Unix seconds")).expect("before 2106")
}

/// The sessions that a line's options describe. Its `now` is their clock.
fn sessions_of(line: &Value) -> Sessions<Value> {
    let text = |name: &str| line[name].as_str().expect("a text").to_owned();
    let now = time_of(line);
    let mut builder = Sessions::builder(KeyRing::parse(&text("keys")).expect("a ring"))
        .cookie_name(text("name"))
        .audience(text("audience"))
        .lifetime(lifetime(&line["absolute"], &line["idle"]))
        .clock(move || now);
    let remembered = &line["remembered"];
    if !remembered.is_null() {
        builder = builder.remembered(lifetime(&remembered["absolute"], &remembered["idle"]));
    }
    if let Some(proof) = seconds(&line["device"]["proof"]) {
        builder = builder.device_binding(DeviceBinding::at("/device").proof_lifetime(proof));
    }
    if let Some(chunks) = line["chunks"].as_u64() {
        let largest = line["largest_cookies"].as_u64().expect("bytes");
        builder = builder.chunks(chunks as u8).largest_cookies(largest as usize);
    }
    builder.build().expect("a configuration")
}

fn open(sessions: &Sessions<Value>, line: &Value) -> Value {
    let fields = line["cookies"].as_array().expect("a list").iter();
    let fields = fields.map(|field| bytes_of(field.as_str().expect("a text")));
    let bind = line["bind"].as_str().map(unhex).unwrap_or_default();
    let fields = RequestFields::from_cookies(fields.collect::<Vec<_>>()).with_bind(bind);
    let session = sessions.load_at(fields, time_of(line));
    let outcome = outcome_of(&session);
    if session.state() != SessionState::Valid {
        return json!({"outcome": outcome});
    }
    let unix = |time: Option<OffsetDateTime>| time.map(OffsetDateTime::unix_timestamp);
    json!({
        "outcome": outcome, "id": session.id().expect("a session").to_string(), "started": unix(session.started()),
        "expires": unix(session.expires()), "flags": u8::from(session.is_remembered()),
        "is_bound": session.device() == DeviceState::Proven,
        "payload": hex(&serde_json::to_vec(session.get().expect("a session")).expect("JSON")),
    })
}

/// The bytes of a field: those of its characters if each is one byte, as runtimes show fields, else UTF-8.
fn bytes_of(field: &str) -> Vec<u8> {
    let bytes: Result<Vec<u8>, _> = field.chars().map(u8::try_from).collect();
    bytes.unwrap_or_else(|_| field.as_bytes().to_vec())
}

/// `cross open`.
pub(crate) fn open_all(lines: impl BufRead, mut answers: impl Write) {
    let mut known = HashMap::new();
    for text in lines.lines() {
        let line: Value = serde_json::from_str(&text.expect("UTF-8")).expect("JSON");
        let sessions = known.entry(options_of(&line)).or_insert_with(|| sessions_of(&line));
        writeln!(answers, "{}", open(sessions, &line)).expect("a reader");
    }
}

/// `cross sessions`: plain, bound and remembered ones, with another audience and with a binding value, in one to four cookies.
pub(crate) fn print_all(choice: &mut Choice, mut output: impl Write) {
    let key = Key::generate().expect("randomness").write_with_secret();
    for round in 0..SESSIONS {
        let [is_bound, is_remembered, is_large] = [round % 4 == 0, round % 3 == 0, round % 2 == 0];
        let has_idle = is_bound || round % 5 != 0;
        let mut line = json!({
            "keys": key.expose(), "name": choice.one(&["__Host-id", "id", "a!#$%&'*+-.^_`|~z"]),
            "audience": choice.one(&["", "shop", "caf\u{e9} \u{1f36a}"]),
            "bind": "", "now": 1_600_000_000 + choice.below(2_600_000_000), "absolute": 43_200, "idle": null,
            "remembered": {"absolute": 90 * 86_400, "idle": null}, "device": null, "chunks": 4, "largest_cookies": 20_000,
        });
        if has_idle {
            line["idle"] = json!(1800);
            line["remembered"]["idle"] = json!(14 * 86_400);
        }
        if is_bound {
            line["device"] = json!({"proof": 660});
        } else {
            line["bind"] = json!(hex(&choice.bytes(80)));
        }
        let most = if is_large { 11_000 } else { 100 };
        let data =
            json!({"user": choice.below(1 << 53), "caf\u{e9}": "\u{3c0}".repeat(choice.below(most / 2) as usize)});
        let sessions = sessions_of(&line);
        let cookies = if is_bound {
            sessions.proven_cookie_for(data).expect("it fits")
        } else {
            let bind = unhex(line["bind"].as_str().expect("hexadecimal"));
            let mut session = sessions.load_at(RequestFields::default().with_bind(bind), time_of(&line));
            session.start(data).expect("it fits");
            session.remember(is_remembered).expect("it is configured");
            let patch = session.finish_patch(200);
            let pairs: Vec<_> = patch.set_cookies().filter_map(|line| line.split(';').next()).collect();
            pairs.join("; ")
        };
        line["cookies"] = json!([cookies]);
        line["opens"] = open(&sessions, &line);
        writeln!(output, "{line}").expect("a reader");
    }
}

const SESSIONS: u32 = 60;
