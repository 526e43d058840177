//! The crate and the JavaScript module of `js/` on the same request: the same session or the same reason, and
//! with check keys alone the same answer.
//!
//! Input: the number of a row of the vectors, whose ring, name, audience, bind, limits, cut-off and revoked ids are taken;
//! the action; how far to move the row's time; the content of a token sealed here; its payload up to a line feed; then
//! `Cookie` fields, one a line, in which the bytes of [`expanded`] mean names and tokens.

use std::sync::{LazyLock, Mutex, PoisonError};

use sealed_session::edge::{Checker, EdgeRights};
use sealed_session::{RequestFields, Session, SessionState, Sessions};
use serde_json::{Value, json};

use crate::fixtures::{SMALL_CACHE, at, number, row_sessions, rows, text, texts, unhex};
use crate::input::Input;
use crate::reference::javascript::JavaScript;
use crate::reference::json::{is_for_javascript_alone, same};
use crate::reference::seal::{Content, Sealing, encode};

struct Place {
    row: &'static Value,
    sessions: Sessions<Value>,
    checker: Checker,
    /// The common fields of the questions to JavaScript, for opening and for checking.
    open: Value,
    check: Value,
    secret: [u8; 32],
    bind: Vec<u8>,
    now: u64,
}

/// One per row of the vectors.
static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| rows("vectors").iter().map(place).collect());

static JAVASCRIPT: LazyLock<Mutex<JavaScript>> = LazyLock::new(|| Mutex::new(JavaScript::start()));

/// Days of which the checker has keys.
const DAYS: u32 = 3;
const LONGEST: u64 = 400 * 86_400;
/// No payload that is sealed here is longer: a token fits into a cookie.
const MOST: usize = 2900;

fn place(row: &'static Value) -> Place {
    let sessions = row_sessions(row, SMALL_CACHE);
    let now = number(row, "now");
    let days = sessions.edge_keys_at(DAYS, EdgeRights::Check, at(now));
    let limits = &row["limits"];
    let lacks_idle =
        limits["idle"].is_null() || !limits["remembered_absolute"].is_null() && limits["remembered_idle"].is_null();
    let checker = Checker::from_edge_keys(days.expose()).expect("what was written");
    let remembered = json!({"idle": limits["remembered_idle"], "absolute": limits["remembered_absolute"]});
    let ring = texts(row, "ring");
    let sealing = ring
        .iter()
        .enumerate()
        .map(|(at, key)| format!("{} {key}", if at == 0 { "seal" } else { "open" }));
    Place {
        open: json!({
            "op": "open", "keys": sealing.collect::<Vec<_>>().join("\n"), "name": row["name"],
            "audience": row["audience"], "bind": row["bind"], "idle": limits["idle"], "absolute": limits["absolute"],
            "remembered": if limits["remembered_absolute"].is_null() { Value::Null } else { remembered },
            "cut_off": row["cut_off"], "revoked": row["revoked"],
        }),
        // The crate's checker knows from the keys whether a session may lack an idle timeout. It applies no idle timeout, so
        // the longest is set here.
        check: json!({
            "op": "check", "keys": days.expose(), "bind": row["bind"], "absolute": LONGEST,
            "idle": (!lacks_idle).then_some(LONGEST), "remembered": null,
        }),
        checker,
        sessions,
        secret: unhex(&ring[0][17..])
            .try_into()
            .expect("sealed1_, the key id, _, 64 digits"),
        bind: unhex(text(row, "bind")),
        row,
        now,
    }
}

/// The numbers of an input, in their order.
struct Spec {
    place: usize,
    /// Bit 0: a field that is UTF-8 comes as such, not byte by byte.
    flags: u8,
    now_moved: u32,
    expires: u32,
    started: u32,
    sealed: u32,
    session_flags: u8,
    id: u8,
    active_until: u32,
    damaged_at: u16,
    /// Bits to flip there, if any.
    damage: u8,
}

impl Spec {
    fn read(input: &mut Input) -> Self {
        Self {
            place: input.below(256) % PLACES.len(),
            flags: input.byte(),
            now_moved: input.number(),
            expires: input.number(),
            started: input.number(),
            sealed: input.number(),
            session_flags: input.byte(),
            id: input.byte(),
            active_until: input.number(),
            damaged_at: u16::from_be_bytes([input.byte(), input.byte()]),
            damage: input.byte(),
        }
    }

    fn write(&self) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(self.place).expect("a byte"), self.flags];
        for number in [self.now_moved, self.expires, self.started, self.sealed] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&[self.session_flags, self.id]);
        bytes.extend_from_slice(&self.active_until.to_be_bytes());
        bytes.extend_from_slice(&self.damaged_at.to_be_bytes());
        bytes.push(self.damage);
        bytes
    }

    fn id(&self) -> [u8; 8] {
        [self.id; 8]
    }
}

/// The names and tokens that the bytes of a field mean.
struct Tokens {
    session: Vec<u8>,
    activity: Vec<u8>,
}

fn sealed(place: &Place, spec: &Spec, payload: &[u8], now: u32) -> Tokens {
    let sealing = Sealing {
        secret: place.secret,
        name: text(place.row, "name"),
        audience: text(place.row, "audience"),
        bind: &place.bind,
    };
    let mut session = sealing.session(&Content {
        expires: now.wrapping_add(spec.expires),
        id: spec.id(),
        salt: [spec.id; 12],
        started: now.wrapping_add(spec.started),
        sealed: now.wrapping_add(spec.sealed),
        flags: spec.session_flags,
        payload,
    });
    let damaged_at = usize::from(spec.damaged_at) % session.len();
    session[damaged_at] ^= spec.damage;
    // A name that is too long for a second cookie belongs to sessions without idle timeout.
    let has_second = sealing.name.len() <= 250;
    let activity = has_second.then(|| sealing.activity(now.wrapping_add(spec.active_until), spec.id()));
    Tokens {
        session: encode(&session),
        activity: encode(&activity.unwrap_or_default()),
    }
}

/// 0xfa: the cookie's name; 0xfb and 0xfc: session and activity token that were sealed here; 0xfd and 0xfe: the row's
/// own; 0xff and a number: the session token of that row.
fn expanded(field: &[u8], row: &Value, tokens: &Tokens) -> Vec<u8> {
    let mut bytes = field.iter();
    let mut expanded = Vec::new();
    while let Some(&byte) = bytes.next() {
        match byte {
            0xfa => expanded.extend_from_slice(text(row, "name").as_bytes()),
            0xfb => expanded.extend_from_slice(&tokens.session),
            0xfc => expanded.extend_from_slice(&tokens.activity),
            0xfd => expanded.extend_from_slice(text(row, "token").as_bytes()),
            0xfe => texts(row, "seen")
                .iter()
                .for_each(|seen| expanded.extend_from_slice(seen.as_bytes())),
            0xff => {
                let other = usize::from(bytes.next().copied().unwrap_or_default()) % PLACES.len();
                expanded.extend_from_slice(text(PLACES[other].row, "token").as_bytes());
            }
            other => expanded.push(other),
        }
    }
    expanded
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let spec = Spec::read(&mut input);
    let place = &PLACES[spec.place];
    let now = place.now.saturating_add_signed(i64::from(spec.now_moved as i32));
    let payload = input.line();
    let payload = &payload[..payload.len().min(MOST)];
    let lines = input.lines();
    // The times in a token have 32 bits; the present may be later.
    let moment = now as u32;
    let tokens = sealed(place, &spec, payload, moment);
    let fields: Vec<Vec<u8>> = lines.iter().map(|line| expanded(line, place.row, &tokens)).collect();
    let mut texts: Vec<String> = fields.iter().map(|field| as_text(&spec, field)).collect();
    if is_for_javascript_alone(payload) {
        // The crate does not accept this as JSON, so JavaScript gets text that it does not accept either.
        let tokens = sealed(place, &spec, &b"!".repeat(payload.len()), moment);
        let fields = lines.iter().map(|line| expanded(line, place.row, &tokens));
        texts = fields.map(|field| as_text(&spec, &field)).collect();
    }
    let question = |op: &Value| {
        let mut question = op.clone();
        question["cookies"] = json!(texts);
        question["now"] = json!(now);
        question
    };
    let mut javascript = JAVASCRIPT.lock().unwrap_or_else(PoisonError::into_inner);
    let [opened, checked] = javascript.ask([&question(&place.open), &question(&place.check)]);
    drop(javascript);
    let fields = || RequestFields::from_cookies(fields.clone()).with_bind(place.bind.clone());
    // Once it is opened, and once it was kept.
    for _ in 0..2 {
        opens_alike(&place.sessions.load_at(fields(), at(now)), &opened);
    }
    checks_alike(place, &fields(), now, &checked);
}

/// A field as a runtime hands it over.
fn as_text(spec: &Spec, field: &[u8]) -> String {
    match str::from_utf8(field) {
        Ok(text) if spec.flags & 1 == 1 => text.to_owned(),
        _ => field.iter().copied().map(char::from).collect(),
    }
}

fn opens_alike(here: &Session<Value>, there: &Value) {
    let outcome = match here.state() {
        SessionState::Absent => "absent",
        SessionState::Valid => "ok",
        SessionState::Rejected(reason) => reason.name(),
        state => panic!("{state:?} of a session that was only loaded"),
    };
    assert_eq!(there["outcome"], outcome, "JavaScript: {there}");
    let Some(data) = here.get() else { return };
    let json = there["json"].as_str().expect("JSON.stringify writes a text");
    let json: Value = serde_json::from_str(json).expect("JSON");
    assert!(same(data, &json), "here {data}, there {json}");
    let facts = json!({
        "id": here.id().expect("a session").to_string(),
        "started": here.started().expect("a session").unix_timestamp(),
        "expires": here.expires().expect("a session").unix_timestamp(),
        "flags": u8::from(here.is_remembered()),
    });
    for (name, fact) in facts.as_object().expect("an object") {
        assert_eq!(&there[name], fact, "{name}");
    }
}

fn checks_alike(place: &Place, fields: &RequestFields, now: u64, there: &Value) {
    match place.checker.check_at(fields, at(now)) {
        Ok(checked) => assert_eq!(
            (&there["outcome"], &there["ids"][0]),
            (&json!("live"), &json!(checked.id.to_string()))
        ),
        Err(reason) if there["outcome"] == "absent" => assert_eq!(reason.name(), "malformed"),
        Err(reason) => {
            assert!(
                ["dead", "unknown"].contains(&there["outcome"].as_str().unwrap_or_default()),
                "{reason:?}: {there}"
            );
            assert_eq!(there["reason"], reason.name());
        }
    }
}

/// The tokens of every row as they are, and a token with the same content sealed here.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (place, row) in rows("vectors").iter().enumerate() {
        let now = number(row, "now");
        let from_now = |field| number(row, field).wrapping_sub(now) as u32;
        let spec = Spec {
            place,
            flags: 0,
            now_moved: 0,
            expires: from_now("expires"),
            started: from_now("started"),
            sealed: from_now("sealed"),
            session_flags: number(row, "flags") as u8,
            id: place as u8,
            active_until: 60,
            damaged_at: 60,
            damage: u8::from(text(row, "expect") == "damaged"),
        };
        let own: Vec<String> = texts(row, "seen")
            .iter()
            .map(|seen| format!("; {}-seen={seen}", text(row, "name")))
            .collect();
        let own = format!("\n{}={}{}", text(row, "name"), text(row, "token"), own.concat());
        seeds.push([spec.write(), own.into_bytes()].concat());
        let payload = unhex(text(row, "payload"));
        if payload.len() <= MOST && !payload.contains(&b'\n') {
            seeds.push([spec.write(), payload, b"\n\xfa=\xfb\n\xfa-seen=\xfc".to_vec()].concat());
        }
    }
    seeds.extend(special());
    seeds
}

/// Cases that the vectors lack: several cookies, and payloads that only one language reads.
fn special() -> Vec<Vec<u8>> {
    let spec = |id| Spec {
        place: 0,
        flags: 1,
        now_moved: 0,
        expires: 3600,
        started: 0,
        sealed: 0,
        session_flags: 0,
        id,
        active_until: 60,
        damaged_at: 0,
        damage: 0,
    };
    let deep = |depth| ["[".repeat(depth), "]".repeat(depth)].concat();
    let payloads = [
        r#""\ud800""#.to_owned(),
        r#"{"\udc00":[1e999,-1e999]}"#.to_owned(),
        "[9007199254740993,-0,1e-400,0.1234567890123456789012345,18446744073709551616]".to_owned(),
        r#"{"__proto__":{"a":1},"a":2,"a":3}"#.to_owned(),
        deep(127),
        deep(128),
    ];
    let mut seeds: Vec<Vec<u8>> = payloads
        .iter()
        .enumerate()
        .map(|(id, payload)| {
            [
                spec(id as u8).write(),
                payload.clone().into_bytes(),
                b"\n\xfa=\xfb; \xfa-seen=\xfc".to_vec(),
            ]
            .concat()
        })
        .collect();
    for fields in [
        &b"\xfa=\xfd; \xfa=\xfb; \xfa-seen=\xfc\n\xfa-seen=\xfe"[..],
        b"\xfa=\xfb;\xfa=\xff\x01;\xfa=\xff\x02;\xfa=\xff\x03; \xfa=x\n\xfa-seen = \xfc\t",
        b"\xfa=\xfb;\xfa-seen=\xfe;\xfa-seen=\xfe;\xfa-seen=\xfe;\xfa-seen=\xfe;\xfa-seen=\xfe;\xfa-seen=\xfe;\xfa-seen=\xfe;\xfa-seen=\xfe;\xfa-seen=\xfc",
        "caf\u{e9}=1; \u{fa}=2".as_bytes(),
    ] {
        for place in (0..PLACES.len()).step_by(13) {
            seeds.push([Spec { place, ..spec(9) }.write(), b"{}\n".to_vec(), fields.to_vec()].concat());
        }
    }
    seeds
}
