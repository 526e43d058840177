//! SPEC.md says what the vectors and the crate say: its worked example and its constants are read from the page.
//!
//! What the vectors do not list (place, frame, body, the keys of the other tokens) is computed here from the page's own
//! formulas, with HMAC, SHA-256 and AES-GCM alone.

use std::collections::BTreeMap;
use std::time::Duration;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::hmac::{Hmac, Mac};
use sealed_session::adopt::Adopted;
use sealed_session::sealer::SealError;
use sealed_session::{
    Builder, Key, KeyRing, Lifetime, Reason, RequestFields, Sealer, SessionState, Sessions, WriteError,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testkit::at;

const SPEC: &str = include_str!("../../SPEC.md");
const VECTORS: &str = include_str!("../data/v1.json");
const NEXT_VECTORS: &str = include_str!("../data/next.json");
const DAY: u64 = 86_400;

/// The `name = value` lines of all blocks of this kind.
fn block(kind: &str) -> BTreeMap<&'static str, &'static str> {
    let mut found = BTreeMap::new();
    let mut inside = false;
    for line in SPEC.lines() {
        if let Some(fence) = line.strip_prefix("```") {
            inside = !inside && fence == kind;
        } else if inside {
            let (name, value) = line.split_once('=').expect("a line is `name = value`");
            let before = found.insert(name.trim(), value.trim());
            assert!(before.is_none(), "{name} appears twice");
        }
    }
    assert!(!found.is_empty(), "SPEC.md has no block `{kind}`");
    found
}

struct Example(BTreeMap<&'static str, &'static str>);

impl Example {
    #[track_caller]
    fn text(&self, name: &str) -> &'static str {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("the example has no `{name}`"))
    }

    #[track_caller]
    fn number(&self, name: &str) -> u32 {
        self.text(name).parse().unwrap()
    }

    #[track_caller]
    fn bytes(&self, name: &str) -> Vec<u8> {
        testkit::unhex(self.text(name))
    }
}

fn example() -> Example {
    Example(block("example"))
}

fn row(id: u64) -> Value {
    row_of(VECTORS, "vectors", id)
}

fn next_row(id: u64) -> Value {
    row_of(NEXT_VECTORS, "rows", id)
}

fn row_of(file: &str, part: &str, id: u64) -> Value {
    let file: Value = serde_json::from_str(file).unwrap();
    let rows = file[part].as_array().unwrap();
    rows.iter()
        .find(|row| row["id"] == id)
        .expect("the row is there")
        .clone()
}

fn hmac(key: &[u8], message: &[&[u8]]) -> Vec<u8> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    message.iter().for_each(|part| hmac.update(part));
    hmac.finalize().into_bytes().to_vec()
}

fn expand(key: &[u8], info: &[&[u8]], length: usize) -> Vec<u8> {
    hmac(key, &[info, &[&[1]]].concat())[..length].to_vec()
}

#[test]
fn the_example_is_rows_1_and_166_of_the_vectors() {
    let example = example();
    let mut compared = 0;
    for id in [1, 166] {
        let row = row(id);
        assert_eq!(row["expect"], "ok");
        assert_eq!(row["ring"], json!([example.text("written_key")]));
        for (with, value) in row["sealed_with"].as_object().unwrap() {
            assert_eq!(value, example.text(with), "row {id}: {with}");
        }
        for (name, value) in row.as_object().unwrap() {
            let expected = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => continue,
            };
            if !["id", "comment", "expect", "cut_off"].contains(&name.as_str()) {
                assert_eq!(example.text(name), expected, "row {id}: {name}");
                compared += 1;
            }
        }
    }
    assert_eq!(row(166)["seen"], json!([example.text("seen")]));
    assert!(compared >= 2 * 18, "only {compared} values were compared");
}

#[test]
fn the_example_follows_from_the_formulas() {
    let example = example();
    let bind = example.bytes("bind");
    let root = hmac(b"sealed-session/v1", &[&example.bytes("secret")]);
    assert_eq!(root, example.bytes("root"));
    let key_id = expand(&root, &[b"key id"], 4);
    assert_eq!(key_id, example.bytes("key_id"));
    assert_eq!(
        example.text("written_key"),
        format!("sealed1_{}_{}", example.text("key_id"), example.text("secret"))
    );

    let place = |name| place(&example, name);
    let derive = |label: &[u8], day: u32, place: &[u8]| expand(&root, &[label, &day.to_be_bytes(), place], 32);
    let (expires, day) = (example.number("expires"), example.number("day"));
    assert_eq!(day, expires / 86_400);
    assert_eq!(place("name"), example.bytes("place"));
    let check_key = derive(b"check key", day, &example.bytes("place"));
    let seal_key = derive(b"seal key", day, &example.bytes("place"));
    assert_eq!(check_key, example.bytes("check_key"));
    assert_eq!(seal_key, example.bytes("seal_key"));

    let id = example.bytes("session_id");
    let head = [
        &[1],
        &key_id[..],
        &expires.to_be_bytes(),
        &id,
        &example.bytes("salt")[..],
    ]
    .concat();
    assert_eq!(head, example.bytes("head"));
    let check = expand(&check_key, &[&head, &bind], 16);
    assert_eq!(check, example.bytes("check"));
    let key = expand(&seal_key, &[&head, &bind], 32);
    assert_eq!(key, example.bytes("key"));
    let frame = [
        &example.number("started").to_be_bytes()[..],
        &example.number("sealed").to_be_bytes(),
        &[u8::try_from(example.number("flags")).unwrap()],
        &example.bytes("payload"),
    ]
    .concat();
    assert_eq!(frame, example.bytes("frame"));
    let cipher = Aes256Gcm::new_from_slice(&key).unwrap();
    let mut body = frame;
    let tag = cipher
        .encrypt_inout_detached(&Nonce::default(), b"", body.as_mut_slice().into())
        .unwrap();
    body.extend_from_slice(&tag);
    assert_eq!(body, example.bytes("body"));
    assert_eq!(base64url(&[head, check, body].concat()), example.text("token"));

    assert_eq!(example.text("seen_name"), format!("{}-seen", example.text("name")));
    assert_eq!(place("seen_name"), example.bytes("seen_place"));
    let (expires, day) = (example.number("seen_expires"), example.number("seen_day"));
    assert_eq!(day, expires / 86_400);
    assert_eq!(expires, example.number("started") + 30 * 60);
    let check_key = derive(b"check key", day, &example.bytes("seen_place"));
    assert_eq!(check_key, example.bytes("seen_check_key"));
    let head = [&[2], &key_id[..], &expires.to_be_bytes(), &id].concat();
    assert_eq!(head, example.bytes("seen_head"));
    let check = expand(&check_key, &[&head, &bind], 16);
    assert_eq!(check, example.bytes("seen_check"));
    assert_eq!(base64url(&[head, check].concat()), example.text("seen"));
}

fn place(example: &Example, name: &str) -> Vec<u8> {
    let (name, audience) = (example.text(name), example.text("audience"));
    let lp = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [lp(name), lp(audience)].concat()
}

#[test]
fn the_bound_session_of_the_example_is_rows_279_and_358_of_the_vectors() {
    let example = example();
    for id in [279, 358] {
        let row = next_row(id);
        assert_eq!(row["ring"], json!([example.text("bound_secret")]), "row {id}");
        assert_eq!(row["now"], example.number("now"), "row {id}");
        for name in ["name", "audience", "bind"] {
            assert_eq!(row[name], example.text(name), "row {id}: {name}");
        }
    }
    let (opened, refreshed) = (next_row(279), next_row(358));
    let cookies = opened["cookies"].as_array().unwrap();
    for name in ["bound", "proof"] {
        let pair = json!([
            example.text(&format!("{name}_name")),
            example.text(&format!("{name}_token"))
        ]);
        assert!(cookies.contains(&pair), "{pair}");
    }
    assert_eq!(opened["expect"]["state"], "proven");
    assert_eq!(opened["expect"]["session_id"], example.text("bound_session_id"));
    assert_eq!(opened["expect"]["device"], example.text("device"));
    assert_eq!(refreshed["expect"]["activity"], example.text("bound_token"));
    assert_eq!(refreshed["expect"]["proof"], example.text("proof_token"));
    assert_eq!(refreshed["expect"]["status"], 200);
}

#[test]
fn the_bound_session_of_the_example_follows_from_the_formulas() {
    let example = example();
    let root = hmac(b"sealed-session/v1", &[&example.bytes("bound_secret")]);
    let key_id = expand(&root, &[b"key id"], 4);
    assert_eq!(key_id, example.bytes("bound_key_id"));
    let (point, device) = (example.bytes("point"), example.bytes("device"));
    assert_eq!(Sha256::digest(&point)[..16], device);
    let (id, proven) = (example.bytes("bound_session_id"), example.number("proven"));
    assert_eq!(proven, example.number("now"));
    assert_eq!(example.number("proof_expires"), proven + 660);
    let fields = [
        ("bound", 3, [id, device.clone()].concat()),
        ("proof", 4, [device, proven.to_be_bytes().to_vec()].concat()),
    ];
    for (name, first, fields) in fields {
        let of = |part: &str| format!("{name}_{part}");
        let expires = example.number(&of("expires"));
        let (day, place) = ((expires / 86_400).to_be_bytes(), place(&example, &of("name")));
        let check_key = expand(&root, &[b"check key", &day, &place], 32);
        assert_eq!(check_key, example.bytes(&of("check_key")), "{name}");
        let head = [&[first], &key_id[..], &expires.to_be_bytes(), &fields].concat();
        assert_eq!(head, example.bytes(&of("head")), "{name}");
        let check = expand(&check_key, &[&head, &example.bytes("bind")], 16);
        assert_eq!(check, example.bytes(&of("check")), "{name}");
        assert_eq!(base64url(&[head, check].concat()), example.text(&of("token")), "{name}");
    }
}

/// Bit by bit, so that the page's words on base64url are all that is needed.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    bits.chunks(6)
        .map(|six| {
            let value = (0..6).fold(0, |value, bit| value << 1 | six.get(bit).copied().unwrap_or(0));
            char::from(ALPHABET[usize::from(value)])
        })
        .collect()
}

#[test]
fn the_tokens_of_the_example_open_to_what_it_says() {
    let example = example();
    for (id, fields) in [(1, &["token"][..]), (166, &["token", "seen"])] {
        let row = row(id);
        let ring = KeyRing::parse(row["ring"][0].as_str().unwrap()).unwrap();
        let limit = |name: &str| row["limits"][name].as_u64().map(Duration::from_secs);
        let absolute = Lifetime::absolute(limit("absolute").unwrap());
        let builder = Sessions::<Value>::builder(ring)
            .audience(example.text("audience"))
            .cookie_name(example.text("name"))
            .lifetime(match limit("idle") {
                Some(idle) => absolute.idle(idle),
                None => absolute.without_idle(),
            });
        let sessions = builder.build().unwrap();
        let cookies: Vec<String> = fields
            .iter()
            .map(|&field| {
                let name = if field == "token" { "name" } else { "seen_name" };
                format!("{}={}", example.text(name), example.text(field))
            })
            .collect();
        let load = |now| sessions.load_at(RequestFields::from_cookies(cookies.clone()), at(now));
        let session = load(example.number("now").into());
        assert_eq!(session.state(), SessionState::Valid, "row {id}");
        assert_eq!(session.get(), Some(&json!({ "u": 42 })));
        assert_eq!(serde_json::to_vec(&session.get()).unwrap(), example.bytes("payload"));
        assert_eq!(session.id().unwrap().to_string(), example.text("session_id"));
        assert_eq!(session.started(), Some(at(example.number("started").into())));
        assert_eq!(session.expires(), Some(at(example.number("expires").into())));
        assert!(!session.is_remembered());
        let expires = u64::from(example.number("expires"));
        assert_eq!(load(expires).state(), SessionState::Rejected(Reason::Expired));
        if id == 166 {
            let idle = u64::from(example.number("seen_expires"));
            assert_eq!(load(idle - 1).state(), SessionState::Valid);
            assert_eq!(load(idle).state(), SessionState::Rejected(Reason::Idle));
        }
    }
}

/// The constants, each taken out once; what is left was stated and not checked.
struct Constants(BTreeMap<&'static str, &'static str>);

impl Constants {
    #[track_caller]
    fn take(&mut self, name: &str) -> u64 {
        let value = self
            .0
            .remove(name)
            .unwrap_or_else(|| panic!("SPEC.md states no `{name}`"));
        value.parse().unwrap()
    }

    #[track_caller]
    fn take_size(&mut self, name: &str) -> usize {
        usize::try_from(self.take(name)).unwrap()
    }
}

const NOW: u64 = 1_893_369_600;

#[test]
fn the_ids_of_adopted_sessions_follow_from_the_formula() {
    assert!(SPEC.contains(r#"adopted id = Expand(Extract("sealed-session/v1", value), "old cookie", 8)"#));
    let value = "Rkyz7%7C";
    let id = expand(&hmac(b"sealed-session/v1", &[value.as_bytes()]), &[b"old cookie"], 8);
    assert_eq!(Adopted::new(value, ()).id().to_bytes(), *id);
}

fn ring() -> KeyRing {
    KeyRing::new(Key::generate().unwrap())
}

fn builder() -> Builder<String> {
    Sessions::builder(ring())
}

/// A session whose payload has this many bytes: a JSON string with its two quotes.
fn cookie_of(sessions: &Sessions<String>, payload: usize) -> Result<Vec<(String, String)>, WriteError> {
    let cookies = sessions.cookie_for_at("x".repeat(payload - 2), at(NOW))?;
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    };
    Ok(cookies.split("; ").map(pair).collect())
}

#[test]
fn the_constants_hold() {
    let mut constants = Constants(block("constants"));
    sizes_hold(&mut constants);
    names_hold(&mut constants);
    times_hold(&mut constants);
    the_number_of_tokens_opened_holds(&mut constants);
    sizes_of_device_binding_hold(&mut constants);
    times_and_names_of_device_binding_hold(&mut constants);
    assert!(constants.0.is_empty(), "stated and not checked: {:?}", constants.0);
}

fn sizes_hold(constants: &mut Constants) {
    let overhead = constants.take_size("overhead_bytes");
    let sessions = builder().build().unwrap();
    assert_eq!(sessions.cookie_name().len(), 9);
    for payload in [2, 3, 4, 50, 100, 1000] {
        let characters = ((overhead + payload) * 8).div_ceil(6);
        assert_eq!(
            cookie_of(&sessions, payload).unwrap()[0].1.len(),
            characters,
            "{payload}"
        );
    }
    assert_eq!(
        cookie_of(&sessions, 100).unwrap()[0].1.len(),
        constants.take_size("characters_of_a_100_byte_payload")
    );
    let activity = constants.take_size("activity_characters");
    assert_eq!(cookie_of(&sessions, 2).unwrap()[1].1.len(), activity);
    assert_eq!(constants.take_size("activity_bytes") * 8, activity * 6);

    let limit = constants.take_size("largest_cookie_bytes");
    let largest = constants.take_size("largest_payload_of_a_9_character_name");
    assert!(cookie_of(&sessions, largest).is_ok());
    let error = cookie_of(&sessions, largest + 1).unwrap_err();
    assert!(matches!(error, WriteError::TooLarge { size, limit: refused, .. } if refused == limit && size > limit));

    let links = Sealer::new(ring(), "magic-link").unwrap();
    sizes_of_chunks_hold(constants);
    let longest = constants.take_size("longest_sealed_value_characters");
    let seal = |payload: usize| links.seal_at(&vec![0; payload], Duration::from_secs(1), at(NOW));
    assert_eq!(seal(longest * 6 / 8 - overhead).unwrap().len(), longest);
    assert!(seal(longest * 6 / 8 - overhead + 1).is_err());

    let distinct = constants.take_size("distinct_values_of_a_raw_secret");
    let secret = |distinct: usize| -> Vec<u8> { (0..32).map(|i| (i % distinct) as u8).collect() };
    assert!(Key::from_raw_secret(&secret(distinct)).is_ok());
    assert!(Key::from_raw_secret(&secret(distinct - 1)).is_err());
}

/// The sizes of sessions that take as many cookies as possible.
fn sizes_of_chunks_hold(constants: &mut Constants) {
    let build = |chunks, largest| {
        let builder = Sessions::<String>::builder(ring())
            .chunks(chunks)
            .largest_cookies(largest);
        builder.build().unwrap()
    };
    let cookies = |sessions: &Sessions<String>, payload: usize| {
        let cookie = sessions.cookie_for("x".repeat(payload - "\"\"".len()))?;
        // One of them is the activity cookie.
        Ok::<_, WriteError>((cookie.split("; ").count() - 1, cookie.len()))
    };
    let most = u8::try_from(constants.take("most_cookies_of_a_session")).unwrap();
    assert!(Sessions::<String>::builder(ring()).chunks(most + 1).build().is_err());
    let sessions = build(most, usize::MAX);
    for chunks in 2..=usize::from(most) {
        let name = format!("largest_payload_in_{chunks}_cookies_of_a_9_character_name");
        let largest = constants.take_size(&name);
        assert_eq!(cookies(&sessions, largest).unwrap().0, chunks, "{name}");
        let more = cookies(&sessions, largest + 1).ok().map(|(count, _)| count);
        assert_eq!(more, (chunks < usize::from(most)).then_some(chunks + 1), "{name}");
        if chunks == 2 {
            let overhead = constants.take_size("overhead_bytes_in_chunks");
            // 2 * 4084 characters, 8 of them the tie.
            assert_eq!(overhead + largest, (4084 + 4076) / 4 * 3);
        }
    }
    let bound = constants.take_size("default_largest_cookies_bytes");
    let ours = Sessions::<String>::builder(ring()).chunks(most).build().unwrap();
    let same = build(most, bound);
    let largest = |sessions| (3000..7500).rev().find_map(|payload| cookies(sessions, payload).ok());
    let (_, line) = largest(&ours).unwrap();
    assert_eq!(largest(&same), largest(&ours));
    assert!(line <= bound && line + 2 > bound, "{line} of {bound}");
    let longest = constants.take_size("longest_name_with_chunks");
    let named = |length: usize| {
        let lifetime = Lifetime::default().without_idle();
        let builder = Sessions::<String>::builder(ring()).cookie_name("n".repeat(length));
        builder.lifetime(lifetime).chunks(2).build()
    };
    assert!(named(longest).is_ok() && named(longest + 1).is_err());
}

/// By the rows of the vectors whose tokens open.
fn sizes_of_device_binding_hold(constants: &mut Constants) {
    let tokens = [
        ("bound_activity", 1),
        ("proof", 52),
        ("device_key", 102),
        ("challenge_to_register", 152),
        ("challenge_to_refresh", 203),
    ];
    for (name, id) in tokens {
        let row = next_row(id);
        assert_eq!(row["expect"]["result"], "ok", "row {id}");
        let (bytes, characters) = (format!("{name}_bytes"), format!("{name}_characters"));
        let (bytes, characters) = (constants.take_size(&bytes), constants.take_size(&characters));
        assert_eq!(row["text"].as_str().unwrap().len(), characters, "row {id}");
        assert_eq!((bytes * 8).div_ceil(6), characters, "row {id}");
    }
}

#[cfg(feature = "device")]
fn times_and_names_of_device_binding_hold(constants: &mut Constants) {
    use sealed_session::device::{DeviceBinding, DeviceState};

    let bound = || builder().device_binding(DeviceBinding::at("/device"));
    let name = constants.take_size("longest_name_with_device_binding");
    assert!(bound().cookie_name("x".repeat(name)).build().is_ok());
    assert!(bound().cookie_name("x".repeat(name + 1)).build().is_err());

    let sessions = bound().clock(|| at(NOW)).build().unwrap();
    let cookie = sessions.proven_cookie_for("x".to_owned()).unwrap();
    let device = |now| {
        sessions
            .load_at(RequestFields::from_cookies([cookie.clone()]), at(now))
            .device()
    };
    let proof = constants.take("default_proof_seconds");
    assert_eq!(device(NOW + proof - 1), DeviceState::Proven);
    assert_eq!(device(NOW + proof), DeviceState::Unproven);

    // The challenge of row 359, and the seconds around its end.
    let seconds = constants.take("challenge_seconds");
    let row = next_row(359);
    let secret = testkit::unhex(row["ring"][0].as_str().unwrap());
    let sessions = Sessions::<Value>::builder(KeyRing::new(Key::from_raw_secret(&secret).unwrap()))
        .device_binding(DeviceBinding::at("/device"));
    let sessions = sessions.build().unwrap();
    let pairs = row["cookies"].as_array().unwrap().iter();
    let pairs = pairs.map(|pair| format!("{}={}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    let fields = RequestFields::from_cookies(pairs.collect::<Vec<_>>());
    let status = |now| {
        let (identifier, proof) = (row["identifier"].as_str(), row["response"].as_str());
        sessions.refresh_device_at(&fields, identifier, proof, at(now)).status()
    };
    let made = row["now"].as_u64().unwrap();
    assert_eq!(status(made + seconds - 1), 200);
    assert_eq!(status(made + seconds), 403);
}

/// Without the feature there is nothing to compare with.
#[cfg(not(feature = "device"))]
fn times_and_names_of_device_binding_hold(constants: &mut Constants) {
    for name in [
        "longest_name_with_device_binding",
        "default_proof_seconds",
        "challenge_seconds",
    ] {
        constants.take(name);
    }
}

fn names_hold(constants: &mut Constants) {
    let text = |length: usize| "x".repeat(length);
    let name = constants.take_size("longest_name");
    assert!(
        builder()
            .lifetime(Lifetime::default().without_idle())
            .cookie_name(text(name))
            .build()
            .is_ok()
    );
    assert!(
        builder()
            .lifetime(Lifetime::default().without_idle())
            .cookie_name(text(name + 1))
            .build()
            .is_err()
    );
    let name = constants.take_size("longest_name_with_idle_timeout");
    assert!(builder().cookie_name(text(name)).build().is_ok());
    assert!(builder().cookie_name(text(name + 1)).build().is_err());
    let audience = constants.take_size("longest_audience");
    assert!(builder().audience(text(audience)).build().is_ok());
    assert!(builder().audience(text(audience + 1)).build().is_err());
    let purpose = constants.take_size("longest_purpose");
    assert!(Sealer::new(ring(), &text(purpose)).is_ok());
    assert!(Sealer::new(ring(), &text(purpose + 1)).is_err());
}

fn times_hold(constants: &mut Constants) {
    let sessions = builder().build().unwrap();
    let cookie = sessions.cookie_for_at("x".to_owned(), at(NOW)).unwrap();
    let load = |now: u64| sessions.load_at(RequestFields::from_cookies([cookie.clone()]), at(now));
    let state = |now: u64| load(now).state();

    let leeway = constants.take("leeway_seconds");
    assert_eq!(state(NOW - leeway), SessionState::Valid);
    assert_eq!(state(NOW - leeway - 1), SessionState::Rejected(Reason::StartedInFuture));

    let idle = constants.take("default_idle_seconds");
    assert_eq!(state(NOW + idle - 1), SessionState::Valid);
    assert_eq!(state(NOW + idle), SessionState::Rejected(Reason::Idle));

    let absolute = constants.take("default_absolute_seconds");
    assert_eq!(load(NOW).expires(), Some(at(NOW + absolute)));
    assert_eq!(state(NOW + absolute - 1), SessionState::Rejected(Reason::Idle));
    assert_eq!(state(NOW + absolute), SessionState::Rejected(Reason::Expired));

    let step = constants.take("default_activity_step_seconds");
    let renews = |now: u64| {
        let session = load(now);
        assert!(session.get().is_some());
        session.finish_patch(200).set_cookies().count() == 1
    };
    assert!(!renews(NOW + step - 1) && renews(NOW + step));

    let days = constants.take("longest_life_days");
    let longest = Duration::from_secs(days * DAY);
    assert!(builder().lifetime(Lifetime::absolute(longest)).build().is_ok());
    assert!(
        builder()
            .lifetime(Lifetime::absolute(longest + Duration::from_secs(1)))
            .build()
            .is_err()
    );
    let links = Sealer::new(ring(), "magic-link").unwrap();
    let seal = |expires: u64| links.seal_at(b"", Duration::from_secs(expires.saturating_sub(NOW)), at(NOW));
    let token = seal(NOW + days * DAY).unwrap();
    assert_eq!(seal(NOW + days * DAY + 1), Err(SealError::Expiry));
    assert!(links.open_at(&token, b"", at(NOW - leeway)).is_ok());
    let error = links.open_at(&token, b"", at(NOW - leeway - 1)).unwrap_err();
    assert_eq!(error.reason(), Reason::ExpiresTooFar);
}

fn the_number_of_tokens_opened_holds(constants: &mut Constants) {
    let most = constants.take_size("most_opened_per_request");
    let sessions = builder().build().unwrap();
    let genuine = sessions.cookie_for_at("x".to_owned(), at(NOW)).unwrap();
    let (session, _activity) = genuine.split_once("; ").unwrap();
    // The last characters are the tag's: the head stays genuine, so the token passes the cheap steps.
    let damaged = format!("{}AAAAAAAA", &session[..session.len() - 8]);
    let state = |before: usize| {
        let mut fields = vec![damaged.clone(); before];
        fields.push(genuine.clone());
        sessions.load_at(RequestFields::from_cookies(fields), at(NOW)).state()
    };
    assert_eq!(state(most - 1), SessionState::Valid);
    assert_eq!(state(most), SessionState::Rejected(Reason::Damaged));
}

#[test]
fn every_reason_is_named_and_every_link_leads_to_a_heading() {
    for reason in Reason::ALL {
        assert!(
            SPEC.contains(&format!("*{}*", reason.name())),
            "{reason:?} is not named"
        );
    }
    let links = SPEC.match_indices("](#").map(|(at, start)| {
        let rest = &SPEC[at + start.len()..];
        &rest[..rest.find(')').unwrap()]
    });
    let headings: Vec<String> = SPEC
        .lines()
        .filter_map(|line| line.strip_prefix("##"))
        .map(|heading| {
            heading
                .trim_start_matches('#')
                .trim()
                .to_lowercase()
                .replace(' ', "-")
                .replace(',', "")
        })
        .collect();
    for link in links {
        assert!(
            headings.iter().any(|heading| heading == link),
            "#{link} leads nowhere: {headings:?}"
        );
    }
}

/// The text of all elements of this class in README's picture.
fn text_in_picture(class: &str) -> String {
    let picture = include_str!("../../docs/token.svg");
    let elements = picture.split("<text ").skip(1);
    let of_class = elements.filter(|element| element.starts_with(&format!("class=\"{class}\"")));
    let texts = of_class.map(|element| element.split_once('>').unwrap().1.split_once('<').unwrap().0);
    texts.collect()
}

#[test]
fn the_picture_of_a_token_is_that_of_the_worked_example() {
    let example = example();
    assert_eq!(text_in_picture("token"), example.text("token"));
    let bytes = testkit::unhex(&text_in_picture("bytes").replace(' ', ""));
    assert_eq!(base64url(&bytes), example.text("token"));
    assert_eq!(
        text_in_picture("name"),
        "versionkey idexpiressession idsaltchecksealed statetag"
    );
}
