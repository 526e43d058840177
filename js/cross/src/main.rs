//! The crate and the JavaScript module against each other: `cargo run -p cross [ROUNDS]`.
//!
//! Each round draws a configuration, a session and a time. One side seals, the other opens; then one character of a
//! token is altered, and both must give the same outcome for the same reason. JavaScript writes the values that the
//! crate can read and refuses all others. With keys that the crate exported it needs no other options. Sessions that are
//! bound to a device are made by the crate and opened by both. Sessions in several cookies go both ways. Of random responses
//! both sides make the same. `SEED` repeats a run.
//!
//! `cargo run -p cross sessions` and `cargo run -p cross open` are the crate's side for other runtimes (`batch.rs`).

mod batch;
mod responses;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use sealed_session::device::DeviceBinding;
use sealed_session::edge::EdgeRights;
use sealed_session::{Builder, Key, KeyRing, Lifetime, RequestFields, Session, SessionState, Sessions};
use serde_json::{Value, json};
use testkit::hex;
use time::OffsetDateTime;

/// The JavaScript side: one line in, one line out.
struct JavaScript {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl JavaScript {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../cross.js");
        let mut process = Command::new("node")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node 20 or later is installed");
        let input = process.stdin.take().expect("a pipe");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { process, input, output }
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.input, "{question}").expect("cross.js reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("cross.js answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?} to {question}"))
    }
}

impl Drop for JavaScript {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// SplitMix64: repeatable, and good enough to choose cases.
struct Choice(u64);

impl Choice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len() as u64) as usize]
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.next() as u8).collect()
    }
}

/// One drawn configuration, for both sides.
struct Case {
    ring: String,
    name: &'static str,
    audience: &'static str,
    bind: Vec<u8>,
    idle: Option<u64>,
    remembered: bool,
    now: i64,
    data: Value,
}

const ABSOLUTE: u64 = 43_200;
/// Keys are exported once in this many rounds: 92 days of them take a while.
const EXPORTED: u32 = 50;
const REMEMBERED: (u64, u64) = (14 * 86_400, 90 * 86_400);

impl Case {
    fn draw(choice: &mut Choice, rings: &[String]) -> Self {
        Self {
            ring: rings[choice.below(rings.len() as u64) as usize].clone(),
            name: choice.one(&["__Host-id", "id", "__Secure-shop", "a!#$%&'*+-.^_`|~z"]),
            audience: choice.one(&["", "shop", "caf\u{e9} \u{1f36a}", "\"quoted\\"]),
            bind: if choice.below(2) == 0 {
                Vec::new()
            } else {
                choice.bytes(80)
            },
            idle: [None, Some(60), Some(1800)][choice.below(3) as usize],
            remembered: choice.below(3) == 0,
            now: 1_600_000_000 + i64::try_from(choice.below(2_600_000_000)).expect("small"),
            data: draw_data(choice, 3),
        }
    }

    fn at(&self, seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.now + seconds).expect("before 2106")
    }

    fn sessions(&self) -> Sessions<Value> {
        self.builder().build().expect("a configuration")
    }

    /// With device binding, which needs an idle timeout.
    fn bound_sessions(&self) -> Option<Sessions<Value>> {
        self.idle?;
        let now = self.at(0);
        let builder = self
            .builder()
            .device_binding(DeviceBinding::at("/device"))
            .clock(move || now);
        Some(builder.build().expect("a configuration"))
    }

    fn builder(&self) -> Builder<Value> {
        let ring = KeyRing::parse(&self.ring).expect("a ring");
        let seconds = Duration::from_secs;
        let builder = Sessions::builder(ring).cookie_name(self.name).audience(self.audience);
        let builder = match self.idle {
            Some(idle) => builder.lifetime(Lifetime::default().idle(seconds(idle))),
            None => builder.lifetime(Lifetime::default().without_idle()),
        };
        builder.remembered(Lifetime::absolute(seconds(REMEMBERED.1)).idle(seconds(REMEMBERED.0)))
    }

    fn fields(&self, session: &str, activity: Option<&str>) -> RequestFields {
        let mut lines = vec![format!("{}={session}", self.name)];
        lines.extend(activity.map(|token| format!("{}-seen={token}", self.name)));
        RequestFields::from_cookies(lines).with_bind(self.bind.clone())
    }

    /// The common fields of all questions to JavaScript.
    fn question(&self, op: &str, seconds: i64) -> Value {
        json!({
            "op": op, "now": self.now + seconds, "keys": self.ring, "name": self.name, "audience": self.audience,
            "bind": hex(&self.bind), "idle": self.idle, "absolute": ABSOLUTE,
            "remembered": {"idle": REMEMBERED.0, "absolute": REMEMBERED.1},
        })
    }

    fn open_in_javascript(&self, javascript: &mut JavaScript, session: &str, activity: Option<&str>, at: i64) -> Value {
        let mut question = self.question("open", at);
        question["session"] = json!([session]);
        question["activity"] = json!(activity.into_iter().collect::<Vec<_>>());
        javascript.ask(&question)
    }

    fn open_in_rust(&self, session: &str, activity: Option<&str>, at: i64) -> (Session<Value>, &'static str) {
        let session = self.sessions().load_at(self.fields(session, activity), self.at(at));
        let outcome = outcome_of(&session);
        (session, outcome)
    }

    /// A session that the crate has bound to a device. Both open it, as it is and altered, at the same or another time,
    /// and JavaScript also with the keys that edges get. Returns how many outcomes agreed.
    fn bound_session(&self, choice: &mut Choice, javascript: &mut JavaScript, with_edges: bool) -> u32 {
        let Some(sessions) = self.bound_sessions() else {
            return 0;
        };
        let cookie = sessions.proven_cookie_for(self.data.clone()).expect("it fits");
        let question = |op, cookie: &str, at| {
            let mut question = self.question(op, at);
            question["device"] = json!({"proof": 660});
            question["bind"] = json!("");
            question["cookies"] = json!([cookie]);
            question
        };
        let opened = javascript.ask(&question("open", &cookie, 59));
        assert_eq!(
            (&opened["outcome"], &opened["device"]),
            (&json!("ok"), &json!("07".repeat(16)))
        );
        assert_eq!(opened["payload"], hex(&serde_json::to_vec(&self.data).expect("JSON")));
        let pairs: Vec<_> = cookie.split("; ").collect();
        let (one, other) = (choice.below(3) as usize, choice.below(1000) as i64 - 100);
        let mut without = pairs.clone();
        without.remove(one);
        let mut altered: Vec<_> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        let (name, value) = pairs[one].split_once('=').expect("name=value");
        altered[one] = format!("{name}={}", alter(choice, value));
        for (cookie, at) in [(&cookie, other), (&without.join("; "), 59), (&altered.join("; "), 59)] {
            let session = sessions.load_at(RequestFields::from_cookies([cookie.clone()]), self.at(at));
            let there = javascript.ask(&question("open", cookie, at));
            assert_eq!(there["outcome"], outcome_of(&session), "at {at}: {cookie}");
        }
        let edges = [
            (EdgeRights::Check, "check", "unknown"),
            (EdgeRights::CheckActivity, "check", "live"),
            (EdgeRights::Open, "open", "ok"),
        ];
        for (rights, op, outcome) in edges.into_iter().filter(|_| with_edges) {
            let keys = sessions.edge_keys_at(1, rights, self.at(0));
            let question = json!({"op": op, "keys": keys.expose(), "cookies": [cookie], "now": self.now + 59});
            assert_eq!(javascript.ask(&question)["outcome"], outcome, "{rights:?}");
        }
        3
    }
}

fn outcome_of(session: &Session<Value>) -> &'static str {
    match session.state() {
        SessionState::Absent => "absent",
        SessionState::Valid => "ok",
        SessionState::Rejected(reason) => reason.name(),
        state => panic!("{state:?}"),
    }
}

impl Case {
    /// A session in up to four cookies, from each side to both, with one cookie altered or lost. Returns how many
    /// outcomes agreed.
    fn session_in_chunks(&self, choice: &mut Choice, javascript: &mut JavaScript) -> u32 {
        let builder = self.builder().lifetime(Lifetime::default().without_idle());
        let builder = builder.chunks(4).largest_cookies(20_000);
        let sessions: Sessions<Value> = builder.build().expect("a configuration");
        let data = json!("x".repeat(choice.below(11_000) as usize));
        let question = |op| {
            let mut question = self.question(op, 0);
            (question["bind"], question["idle"]) = (json!(""), Value::Null);
            (question["chunks"], question["largest_cookies"]) = (json!(4), json!(20_000));
            question
        };
        let here = sessions.cookie_for_at(data.clone(), self.at(0)).expect("it fits");
        let mut write = question("write");
        write["id"] = json!(hex(&choice.next().to_be_bytes()));
        (write["started"], write["expires"]) = (json!(self.now), json!(self.now.unsigned_abs() + ABSOLUTE));
        write["payload"] = json!(hex(&serde_json::to_vec(&data).expect("JSON")));
        let there = javascript.ask(&write)["cookies"].clone();
        let there: Vec<String> = serde_json::from_value(there).expect("pairs");
        assert_eq!(there.len(), here.split("; ").count(), "in as many cookies");
        let mut agreed = 0;
        for pairs in [here.split("; ").map(str::to_owned).collect(), there] {
            let mut altered = pairs.clone();
            let one = choice.below(pairs.len() as u64) as usize;
            let (name, value) = pairs[one].split_once('=').expect("name=value");
            altered[one] = format!("{name}={}", alter(choice, value));
            let mut lost = pairs.clone();
            lost.remove(one);
            for (cookies, is_whole) in [
                (pairs.join("; "), true),
                (altered.join("; "), false),
                (lost.join("; "), false),
            ] {
                let session = sessions.load_at(RequestFields::from_cookies([cookies.clone()]), self.at(59));
                assert!(!is_whole || session.get() == Some(&data), "{:?}", session.state());
                let mut open = question("open");
                (open["cookies"], open["now"]) = (json!([cookies]), json!(self.now + 59));
                let opened = javascript.ask(&open);
                assert_eq!(opened["outcome"], outcome_of(&session), "{cookies}");
                agreed += 1;
            }
        }
        agreed
    }
}

/// JSON that both languages read alike: no integers beyond 2^53, no halves of surrogate pairs.
fn draw_data(choice: &mut Choice, depth: u32) -> Value {
    match choice.below(if depth == 0 { 4 } else { 6 }) {
        0 => Value::Null,
        1 => json!(choice.below(1 << 53)),
        2 => json!(choice.below(2) == 0),
        3 => json!(String::from_utf8_lossy(&choice.bytes(60))),
        4 => (0..choice.below(5)).map(|_| draw_data(choice, depth - 1)).collect(),
        _ => {
            let fields =
                (0..choice.below(5)).map(|index| (format!("field {index} \u{3c0}"), draw_data(choice, depth - 1)));
            Value::Object(fields.collect())
        }
    }
}

/// JSON that `JSON.parse` reads and the crate perhaps not: halves of surrogate pairs, large numbers, deep nesting.
fn draw_text(choice: &mut Choice) -> String {
    const PIECES: [&str; 10] = [
        r#""\ud83c""#,
        r#""\ud83c\udf6a""#,
        r#""\\ud83c""#,
        r#""[{\"""#,
        "1e400",
        "-1e300",
        "1e-400",
        "18446744073709551616",
        "9007199254740993",
        r#"{"\uDC00":1}"#,
    ];
    let pieces: Vec<_> = (0..choice.below(3)).map(|_| choice.one(&PIECES)).collect();
    let depth = [0, 3, 125, 126, 127, 128, 300][choice.below(7) as usize];
    let (open, close) = if choice.below(2) == 0 {
        ("[", "]")
    } else {
        ("{\"a\":", "}")
    };
    format!("{}[{}]{}", open.repeat(depth), pieces.join(","), close.repeat(depth))
}

/// The values of the cookies that a response sets: session, and activity if there is one.
fn tokens(session: &Session<Value>) -> (String, Option<String>) {
    let patch = session.finish_patch(200);
    let mut values = patch.set_cookies().map(|line| {
        let pair = line.split(';').next().unwrap_or_default();
        pair.split_once('=')
            .map(|(_, value)| value.to_owned())
            .expect("name=value")
    });
    (values.next().expect("a session cookie"), values.next())
}

/// Alters one character somewhere, or cuts or lengthens the text.
fn alter(choice: &mut Choice, token: &str) -> String {
    let mut text = token.as_bytes().to_vec();
    let at = choice.below(text.len() as u64) as usize;
    match choice.below(8) {
        0 => text.truncate(at),
        1 => text.push(b'A'),
        2 => text[at] = b'=',
        _ => text[at] = b"ABab01-_"[choice.below(8) as usize],
    }
    String::from_utf8(text).expect("ASCII")
}

fn main() {
    let seed: u64 = match std::env::var("SEED") {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => OffsetDateTime::now_utc().unix_timestamp().unsigned_abs(),
    };
    let mut choice = Choice(seed);
    match std::env::args().nth(1).as_deref() {
        Some("open") => batch::open_all(std::io::stdin().lock(), std::io::stdout().lock()),
        Some("sessions") => batch::print_all(&mut choice, std::io::stdout().lock()),
        Some(rounds) => compare(rounds.parse().expect("a number of rounds"), seed, &mut choice),
        None => compare(3000, seed, &mut choice),
    }
}

fn compare(rounds: u32, seed: u64, choice: &mut Choice) {
    println!("SEED={seed}");
    let key = || {
        Key::generate()
            .expect("randomness")
            .write_with_secret()
            .expose()
            .to_owned()
    };
    let rings: Vec<_> = (0..4).map(|_| format!("seal {}\nopen {}\n", key(), key())).collect();
    let mut javascript = JavaScript::start();
    let (mut altered, mut rejected, mut refused, mut bound, mut chunks) = (0, 0, 0, 0, 0);
    for round in 0..rounds {
        let case = Case::draw(choice, &rings);

        // Rust seals, JavaScript opens.
        let mut session = case
            .sessions()
            .load_at(RequestFields::default().with_bind(case.bind.clone()), case.at(0));
        session.start(case.data.clone()).expect("it fits");
        session.remember(case.remembered).expect("it is configured");
        let (id, end) = (session.id().expect("a session"), session.expires().expect("an end"));
        let (token, activity) = tokens(&session);
        let opened = case.open_in_javascript(&mut javascript, &token, activity.as_deref(), 59);
        let expected = json!({
            "outcome": "ok", "id": id.to_string(), "started": case.now, "sealed": case.now,
            "expires": end.unix_timestamp(), "flags": u8::from(case.remembered),
            "payload": hex(&serde_json::to_vec(&case.data).expect("JSON")),
        });
        for (field, value) in expected.as_object().expect("an object") {
            assert_eq!(&opened[field], value, "round {round}: {field}");
        }

        // JavaScript seals, Rust opens.
        let session_id = hex(&choice.next().to_be_bytes());
        let lifetime = if case.remembered { REMEMBERED.1 } else { ABSOLUTE };
        let mut question = case.question("seal", 0);
        question["id"] = json!(session_id);
        question["started"] = json!(case.now);
        question["expires"] = json!(case.now.unsigned_abs() + lifetime);
        question["flags"] = json!(u8::from(case.remembered));
        question["payload"] = expected["payload"].clone();
        let sealed = javascript.ask(&question)["token"].as_str().expect("a token").to_owned();
        let idle = if case.remembered { Some(REMEMBERED.0) } else { case.idle };
        let seen = idle.map(|idle| {
            let mut question = case.question("seal_activity", 0);
            question["id"] = json!(session_id);
            question["expires"] = json!(case.now.unsigned_abs() + idle);
            javascript.ask(&question)["token"].as_str().expect("a token").to_owned()
        });
        let (session, outcome) = case.open_in_rust(&sealed, seen.as_deref(), 59);
        assert_eq!(outcome, "ok", "round {round}");
        assert_eq!(session.get(), Some(&case.data), "round {round}");
        assert_eq!(session.id().map(|id| id.to_string()), Some(session_id), "round {round}");

        // JavaScript writes the values that Rust reads, and no others.
        let text = draw_text(choice);
        let readable = serde_json::from_str::<Value>(&text).is_ok();
        question["op"] = json!("write");
        question["payload"] = json!(hex(text.as_bytes()));
        let written = javascript.ask(&question);
        assert_eq!(
            written["token"].is_string(),
            readable,
            "round {round}: {text}: {written}"
        );
        if let Some(token) = written["token"].as_str() {
            assert_eq!(
                case.open_in_rust(token, seen.as_deref(), 59).1,
                "ok",
                "round {round}: {text}"
            );
        }
        refused += u32::from(!readable);

        // Exported keys contain the name, audience and timeouts of the case's question.
        if round % EXPORTED == 0 {
            let rights = [EdgeRights::Check, EdgeRights::Open][choice.below(2) as usize];
            let keys = case.sessions().edge_keys_at(91, rights, case.at(0));
            let cookies = [
                format!("{}={token}", case.name),
                format!("{}-seen={}", case.name, activity.as_deref().unwrap_or_default()),
            ];
            let (op, outcome) = match rights {
                EdgeRights::Check | EdgeRights::CheckActivity => ("check", "live"),
                EdgeRights::Open => ("open", "ok"),
            };
            let question = json!({
                "op": op, "keys": keys.expose(), "bind": hex(&case.bind), "cookies": cookies, "now": case.now + 59,
            });
            assert_eq!(javascript.ask(&question)["outcome"], outcome, "round {round}: {op}");
        }

        // In half of the rounds, so that a run takes hardly longer.
        if round % 8 == 0 {
            chunks += case.session_in_chunks(choice, &mut javascript);
        }
        if round % 2 == 0 {
            bound += case.bound_session(choice, &mut javascript, round % EXPORTED == 0);
        }

        // Altered in one place or opened at another time, both sides give the same outcome.
        let seconds = i64::try_from(choice.below(100 * 86_400)).expect("small") - 86_400;
        let broken = alter(choice, &token);
        let broken_activity = activity.as_ref().map(|activity| alter(choice, activity));
        for (session, activity, at) in [
            (&broken, &activity, 59),
            (&token, &broken_activity, 59),
            (&token, &activity, seconds),
            (&sealed, &activity, 59),
        ] {
            let there = case.open_in_javascript(&mut javascript, session, activity.as_deref(), at);
            let (_, here) = case.open_in_rust(session, activity.as_deref(), at);
            assert_eq!(there["outcome"], here, "round {round} at {at}: {session} {activity:?}");
            altered += 1;
            rejected += u32::from(here != "ok");
        }
    }
    responses::same_responses(choice, &mut javascript, &rings[0], rounds);
    println!("{rounds} rounds: {rounds} sealed in Rust and opened in JavaScript, {rounds} the other way");
    println!("{rounds} texts written by JavaScript or refused as Rust refuses them, {refused} of them refused");
    println!("{altered} altered or at other times: the same outcome on both sides, {rejected} of them rejected");
    println!("{bound} of sessions bound to a device, {chunks} of sessions in up to four cookies: the same");
    assert!(bound > 0 && chunks > 0 && rejected > 0 && refused > 0 && refused < rounds);
}
