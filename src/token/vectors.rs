//! The sealing half of the vectors, through crate-private functions: from a given salt, id and times, every derived
//! value and the token are computed to the byte. (`tests/vectors/main.rs` opens them through the public API.)

use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::aead::Prk;
use crate::keys::key::Key;

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field]
        .as_str()
        .unwrap_or_else(|| panic!("no text {field} in {row}"))
}

fn number(row: &Value, field: &str) -> u64 {
    row[field]
        .as_u64()
        .unwrap_or_else(|| panic!("no number {field} in {row}"))
}

fn hex(row: &Value, field: &str) -> Vec<u8> {
    testkit::unhex(text(row, field))
}

#[test]
fn every_row_derives_and_seals_to_the_byte() {
    let file = testkit::vectors();
    let rows = file["vectors"].as_array().unwrap();
    assert!(!rows.is_empty());
    let (mut sealed, mut derived) = (0, 0);
    for row in rows {
        let id = &row["id"];
        let secret: [u8; 32] = hex(row, "secret").try_into().unwrap();
        let key = Key::from_raw_secret(&secret).unwrap();
        assert_eq!(key.id().to_string(), text(row, "key_id"), "{id}");
        let root = Prk::extract(b"sealed-session/v1", &secret);
        let day = u32::try_from(number(row, "day")).unwrap();
        let expires = u32::try_from(number(row, "expires")).unwrap();
        assert_eq!(day, expires / 86_400, "{id}");
        let with = &row["sealed_with"];
        let (name, audience, bind) = (text(with, "name"), text(with, "audience"), hex(with, "bind"));
        let mut place = vec![u8::try_from(name.len()).unwrap()];
        place.extend_from_slice(name.as_bytes());
        place.push(u8::try_from(audience.len()).unwrap());
        place.extend_from_slice(audience.as_bytes());
        let expand = |label: &[u8]| root.expand::<32>(&[label, &day.to_be_bytes(), &place]).to_vec();
        assert_eq!(expand(b"check key"), hex(row, "check_key"), "{id}");
        assert_eq!(expand(b"seal key"), hex(row, "seal_key"), "{id}");
        derived += 1;

        let salt: [u8; 12] = hex(row, "salt").try_into().unwrap();
        let session_id = SessionId(hex(row, "session_id").try_into().unwrap());
        let head = Head {
            key_id: key.id(),
            expires,
            session_id,
        }
        .write_session(&salt);
        assert_eq!(head.to_vec(), hex(row, "head"), "{id}");
        let seal_key = Prk::new(&expand(b"seal key").try_into().unwrap());
        assert_eq!(seal_key.expand::<32>(&[&head, &bind]).to_vec(), hex(row, "key"), "{id}");

        // Rows of rejected tokens were altered after sealing; tokens of the other rows are exactly as sealed.
        if text(row, "expect") == "ok" {
            let place = Place::new(name, audience).unwrap();
            let ring = PlacedRing::new(Arc::new(KeyRing::new(key)), place);
            let frame = Frame {
                started: u32::try_from(number(row, "started")).unwrap(),
                sealed: u32::try_from(number(row, "sealed")).unwrap(),
                remembered: number(row, "flags") == 1,
            };
            let payload = hex(row, "payload");
            let state = State {
                session_id,
                expires: expires.into(),
                frame,
                payload: &payload,
                padding: 0,
                chunks: 1,
            };
            let now = number(row, "sealed").max(u64::from(expires).saturating_sub(LONGEST_LIFE));
            let mut token = String::new();
            ring.seal_session(&state, &bind, now, &salt, &mut token).unwrap();
            assert_eq!(token, text(row, "token"), "{id}");
            sealed += 1;
        }
    }
    println!("vectors: {derived} rows derived, {sealed} rows sealed to the byte");
    assert!(sealed > 0);
}

#[test]
fn every_row_opens_or_is_rejected_as_a_bare_token() {
    let file = testkit::vectors();
    let rows = file["vectors"].as_array().unwrap();
    for row in rows {
        let keys = row["ring"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| Key::parse(key.as_str().unwrap()).unwrap());
        let ring = keys.fold(None, |ring: Option<KeyRing>, key| match ring {
            None => Some(KeyRing::new(key)),
            Some(ring) => Some(ring.also_opening(key).unwrap()),
        });
        let (name, now) = (text(row, "name"), number(row, "now"));
        let place = Place::new(name, text(row, "audience")).unwrap();
        let ring = PlacedRing::new(Arc::new(ring.unwrap()), place);
        let screened = ring.screen_session(text(row, "token").as_bytes(), 4096 - name.len(), now);
        let decoded = screened.and_then(Screened::decode);
        let outcome = decoded.and_then(|token| ring.open_session(token, &hex(row, "bind"), &mut |_| None));
        let expected = match text(row, "expect") {
            // Code above the token finds these.
            "ok" | "started in future" | "too old" | "revoked" | "idle" | "payload" => "ok",
            reason => reason,
        };
        assert_eq!(
            outcome.as_ref().map_or_else(|reason| reason.name(), |_| "ok"),
            expected,
            "{}",
            row["id"]
        );
        if let Ok(token) = outcome {
            assert_eq!(token.payload(), hex(row, "payload"), "{}", row["id"]);
            assert_eq!(u64::from(token.frame.sealed), number(row, "sealed"), "{}", row["id"]);
        }
    }
    println!("vectors: {} rows opened as bare tokens", rows.len());
}
