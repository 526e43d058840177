//! The vectors of device binding and of sessions in chunks: single tokens, sessions, the two endpoints, a checker.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sealed_session::device::{Answer, DeviceBinding, DeviceState};
use sealed_session::edge::{Checker, Claims, EdgeRights};
use sealed_session::testing::vectors::open_token;
use sealed_session::{Key, KeyRing, Lifetime, RequestFields, Sealer, SessionId, SessionState, Sessions};
use serde_json::Value;
use sha2::{Digest, Sha256};
use testkit::{at, next_vectors, number, rows, text, texts, unhex};

fn ring(row: &Value) -> KeyRing {
    let keys = texts(row, "ring").into_iter();
    let mut keys = keys.map(|secret| Key::from_raw_secret(&unhex(secret)).expect("a secret"));
    let first = KeyRing::new(keys.next().expect("at least one"));
    keys.fold(first, |ring, key| ring.also_opening(key).expect("different keys"))
}

fn lifetime(row: &Value, absolute: &str, idle: &str) -> Option<Lifetime> {
    let seconds = |field| row["settings"][field].as_u64().map(Duration::from_secs);
    let lifetime = Lifetime::absolute(seconds(absolute).filter(|seconds| !seconds.is_zero())?);
    Some(match seconds(idle) {
        // Rows without remembered sessions keep their idle timeout.
        Some(idle) => lifetime.idle(idle),
        None => lifetime.without_idle(),
    })
}

fn sessions(row: &Value) -> Sessions<Value> {
    let settings = &row["settings"];
    let ordinary = lifetime(row, "absolute", "idle").expect("an absolute timeout");
    let mut builder = Sessions::<Value>::builder(ring(row))
        .cookie_name(text(row, "name"))
        .audience(text(row, "audience"))
        .lifetime(ordinary);
    if let Some(remembered) = lifetime(row, "remembered_absolute", "remembered_idle") {
        builder = builder.remembered(remembered);
    }
    // Without an idle timeout nothing asks for the binding, and `build` refuses it.
    if settings["device"] == true && !settings["idle"].is_null() {
        let binding = DeviceBinding::at("/device").proof_lifetime(Duration::from_secs(number(settings, "proof")));
        builder = builder.device_binding(match row["others_may_begin"] == true {
            true => binding.allow_initiator("mail.example"),
            false => binding,
        });
    }
    let sessions = builder.build().unwrap_or_else(|error| panic!("{}: {error}", row["id"]));
    sessions.raise_cut_off(at(number(settings, "cut_off")));
    for id in texts(settings, "revoked") {
        sessions.revoke(SessionId::from_bytes(unhex(id).try_into().expect("8 bytes")));
    }
    sessions
}

fn fields(row: &Value) -> RequestFields {
    let pairs = row["cookies"].as_array().expect("cookies");
    let pairs = pairs.iter().map(|pair| {
        [0, 1]
            .map(|part| pair[part].as_str().expect("name and value"))
            .join("=")
    });
    RequestFields::from_cookies(pairs.collect::<Vec<_>>()).with_bind(unhex(text(row, "bind")))
}

fn open(row: &Value) {
    let opened = open_token(
        &Arc::new(ring(row)),
        text(row, "name"),
        text(row, "audience"),
        text(row, "kind"),
        text(row, "text"),
        &unhex(text(row, "bind")),
        number(&row["settings"], "proof"),
        number(row, "now"),
    );
    let expect = &row["expect"];
    let outcome = opened.as_ref().map_or_else(|reason| reason.name(), |_| "ok");
    assert_eq!(outcome, text(expect, "result"), "row {}: {}", row["id"], row["shows"]);
    for (field, value) in opened.into_iter().flatten() {
        let expected = expect[field]
            .as_str()
            .map_or_else(|| expect[field].to_string(), str::to_owned);
        assert_eq!(value, expected, "row {}: {field}", row["id"]);
    }
}

fn session(row: &Value) {
    let sessions = sessions(row);
    let session = sessions.load_at(fields(row), at(number(row, "now")));
    let expect = &row["expect"];
    let outcome = match session.state() {
        SessionState::Valid => "ok",
        SessionState::Rejected(reason) => reason.name(),
        SessionState::Absent => "absent",
        other => panic!("{}: {other:?}", row["id"]),
    };
    assert_eq!(outcome, text(expect, "result"), "row {}: {}", row["id"], row["shows"]);
    if outcome != "ok" {
        assert_eq!(session.get(), None, "row {}", row["id"]);
        let unproven = session.device() == DeviceState::Unproven;
        assert_eq!(unproven, outcome == "unproven", "row {}", row["id"]);
        return;
    }
    assert_eq!(
        session.id().map(|id| id.to_string()).as_deref(),
        expect["session_id"].as_str()
    );
    assert_eq!(session.started(), Some(at(number(expect, "started"))));
    let payload = session.get().map(Value::to_string).expect("it opened");
    let hash = Sha256::digest(payload).into_iter().map(|byte| format!("{byte:02x}"));
    assert_eq!(
        hash.collect::<String>(),
        text(expect, "payload_sha256"),
        "row {}",
        row["id"]
    );
    assert_eq!(Some(session.is_remembered()), expect["remembered"].as_bool());
    let state = match session.device() {
        DeviceState::Unbound => "plain",
        DeviceState::Proven => "proven",
        other => panic!("{}: {other:?}", row["id"]),
    };
    assert_eq!(state, text(expect, "state"), "row {}: {}", row["id"], row["shows"]);
}

/// The value that an answer sets for the cookie of this suffix.
fn set<'a>(answer: &'a Answer, row: &Value, suffix: &str) -> Option<&'a str> {
    let start = format!("{}{suffix}=", text(row, "name"));
    let lines = answer.headers().filter(|(name, _)| *name == "Set-Cookie");
    let mut values = lines.filter_map(|(_, line)| line.strip_prefix(&*start)?.split(';').next());
    let value = values.next();
    assert_eq!(values.next(), None, "row {}: one line", row["id"]);
    value
}

fn endpoint(row: &Value) {
    let (sessions, now) = (sessions(row), at(number(row, "now")));
    let (proof, expect) = (row["response"].as_str(), &row["expect"]);
    let answer = match text(row, "op") {
        "register" => sessions.register_device_at(&fields(row), proof, now),
        _ => sessions.refresh_device_at(&fields(row), row["identifier"].as_str(), proof, now),
    };
    assert_eq!(
        u64::from(answer.status()),
        number(expect, "status"),
        "row {}: {}",
        row["id"],
        row["shows"]
    );
    assert_eq!(
        set(&answer, row, "-proof"),
        expect["proof"].as_str(),
        "row {}: proof",
        row["id"]
    );
    assert_eq!(
        set(&answer, row, "-seen"),
        expect["activity"].as_str(),
        "row {}: activity",
        row["id"]
    );
    let instructions: Value = serde_json::from_str(answer.body()).unwrap_or_default();
    assert_eq!(
        instructions["session_identifier"], expect["key"],
        "row {}: key",
        row["id"]
    );
    let asks = answer.headers().any(|(name, _)| name == "Secure-Session-Challenge");
    assert_eq!(asks, answer.status() == 403, "row {}: challenge", row["id"]);
}

/// The first cookie of a session, as a checker sees it.
fn head(row: &Value) {
    let sessions = sessions(row);
    let (token, now) = (text(row, "text"), at(number(row, "now")));
    let keys = sessions.edge_keys_at(2, EdgeRights::Check, now);
    let checker = Checker::from_edge_keys(keys.expose()).expect("as written");
    let cookie = format!("{}={token}", text(row, "name"));
    let fields = RequestFields::from_cookies([cookie]).with_bind(unhex(text(row, "bind")));
    let checked = checker.without_activity().check_at(&fields, now);
    let expect = &row["expect"];
    let outcome = checked.as_ref().map_or_else(|reason| reason.name(), |_| "ok");
    assert_eq!(outcome, text(expect, "result"), "row {}: {}", row["id"], row["shows"]);
    if let Ok(checked) = checked {
        assert_eq!(checked.id.to_string(), text(expect, "session_id"));
        assert_eq!(checked.expires, at(number(expect, "expires")));
        let claims = Claims::parse(token).expect("it is a token");
        assert_eq!(u64::from(claims.chunks), number(expect, "chunks"), "row {}", row["id"]);
    }
}

fn value(row: &Value) {
    let purpose = text(row, "name").trim_start_matches('/');
    let sealer = Sealer::new(ring(row), purpose).expect("a purpose");
    let opened = sealer.open_at(text(row, "text"), &unhex(text(row, "bind")), at(number(row, "now")));
    let outcome = opened.map_or_else(|error| error.reason().name(), |_| "ok");
    assert_eq!(outcome, text(&row["expect"], "result"), "row {}", row["id"]);
}

#[test]
fn every_row_of_the_later_first_bytes_is_as_it_says() {
    let file = next_vectors();
    let rows = rows(&file, "rows");
    let mut ops = BTreeSet::new();
    for row in rows {
        match text(row, "op") {
            // In the library's own tests: it needs a given salt.
            "write" => {}
            "open" => open(row),
            "session" => session(row),
            "register" | "refresh" => endpoint(row),
            "head" => head(row),
            "value" => value(row),
            other => panic!("{other} is no operation"),
        }
        ops.insert(text(row, "op"));
    }
    assert!(
        ops.into_iter()
            .eq(["head", "open", "refresh", "register", "session", "value", "write"])
    );
    println!("vectors: {} rows of the later first bytes checked", rows.len());
}
