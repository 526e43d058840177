//! The reader for jars of the `cookie` crate, on cookies that axum-extra, Rocket and actix-session made.

use cookie::{Cookie, CookieJar, Key};
use proptest::collection::vec;
use proptest::prelude::*;
use sealed_session::adopt::{Adopted, JarReader};
use sealed_session::{Reason, RequestFields, SessionId, SessionState, Sessions};
use serde_json::Value;
use testkit::{DAY, START, after, at, ring, rows, text, unhex};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Private,
    Signed,
}

impl Kind {
    fn reader(self, name: &str, key: &[u8]) -> JarReader {
        match self {
            Self::Private => JarReader::private(name, key),
            Self::Signed => JarReader::signed(name, key),
        }
        .unwrap()
    }

    fn other(self) -> Self {
        match self {
            Self::Private => Self::Signed,
            Self::Signed => Self::Private,
        }
    }

    /// How many characters of a decoded value are base64.
    fn base64_length(self, decoded: &[u8]) -> usize {
        match self {
            Self::Private => decoded.len(),
            Self::Signed => 44,
        }
    }
}

/// A cookie that a library made.
struct Row {
    kind: Kind,
    key: Vec<u8>,
    name: String,
    /// As the browser sends it back.
    value: String,
    text: String,
    label: String,
}

fn old_cookies() -> Vec<Row> {
    let file: Value = serde_json::from_str(include_str!("../data/old_cookies.json")).unwrap();
    let row = |row: &Value| Row {
        kind: match text(row, "kind") {
            "private" => Kind::Private,
            "signed" => Kind::Signed,
            other => panic!("{other}"),
        },
        key: unhex(text(row, "key")),
        name: text(row, "name").to_owned(),
        value: text(row, "value").to_owned(),
        text: text(row, "text").to_owned(),
        label: format!("{} {}: {}", text(row, "library"), text(row, "kind"), text(row, "text")),
    };
    rows(&file, "rows").iter().map(row).collect()
}

/// Sessions whose data are the text of the old cookie.
fn adopting(reader: JarReader, name: &str) -> Sessions<String> {
    Sessions::builder(ring())
        .clock(|| after(0))
        .adopt(name, at(START + DAY), reader.read(|text| Some(text.to_owned())))
        .build()
        .unwrap()
}

impl Row {
    fn sessions(&self) -> Sessions<String> {
        adopting(self.kind.reader(&self.name, &self.key), &self.name)
    }

    /// The session's id and data, if a cookie of this name and value becomes one.
    fn adopted(&self, sessions: &Sessions<String>, value: impl AsRef<[u8]>) -> Option<(SessionId, String)> {
        let field = [self.name.as_bytes(), b"=", value.as_ref()].concat();
        let session = sessions.load(RequestFields::from_cookies([field]));
        Some((session.id()?, session.get()?.clone()))
    }

    /// Asserts that this value gives nothing, or the session of the true one.
    #[track_caller]
    fn attack(&self, sessions: &Sessions<String>, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        if let Some(adopted) = self.adopted(sessions, value) {
            let shown = String::from_utf8_lossy(value);
            assert_eq!(
                Some(adopted),
                self.adopted(sessions, &self.value),
                "{}: {shown}",
                self.label
            );
        }
    }

    /// Without percent-encoding: what the library verifies.
    fn decoded(&self) -> Vec<u8> {
        let mut bytes = self.value.bytes();
        let mut decoded = Vec::new();
        while let Some(byte) = bytes.next() {
            decoded.push(match byte {
                b'%' => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    unhex(str::from_utf8(&digits).unwrap())[0]
                }
                byte => byte,
            });
        }
        decoded
    }
}

/// Bytes that mean something in a `Cookie` field or in percent-encoding, or that field values cannot have.
fn must_be_encoded(byte: u8) -> bool {
    !byte.is_ascii_graphic() || matches!(byte, b'%' | b';' | b'"' | b',' | b'\\')
}

/// `decoded` with percent-encoding where it must be, and where `choose` says so: 0 for none, 1 for capital digits, 2 for
/// small ones.
fn spelled(decoded: &[u8], mut choose: impl FnMut() -> u8) -> String {
    let spell = |&byte: &u8| match choose() {
        0 if !must_be_encoded(byte) => char::from(byte).to_string(),
        2 => format!("%{byte:02x}"),
        _ => format!("%{byte:02X}"),
    };
    decoded.iter().map(spell).collect()
}

// ---- what is read

#[test]
fn cookies_of_the_real_libraries_become_sessions_with_the_text_that_they_hold() {
    let rows = old_cookies();
    assert!(rows.len() >= 40, "{}", rows.len());
    for row in &rows {
        let (id, text) = row.adopted(&row.sessions(), &row.value).expect(&row.label);
        assert_eq!(text, row.text, "{}", row.label);
        assert_eq!(
            id,
            Adopted::new(row.decoded(), ()).id(),
            "the id is of what was verified"
        );
    }
    let private = rows.iter().filter(|row| row.kind == Kind::Private);
    let mut ids: Vec<_> = private.map(|row| Adopted::new(row.decoded(), ()).id()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "each private cookie is a session of its own");
}

#[test]
fn the_length_of_the_key_says_how_the_old_application_made_it() {
    let key: Vec<u8> = (1..=80).collect();
    for length in [0, 1, 31] {
        for error in [
            JarReader::private("old", &key[..length]).expect_err("too short"),
            JarReader::signed("old", &key[..length]).expect_err("too short"),
        ] {
            let expected = format!("has {length} bytes; give the 64 bytes of its `Key::master`");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }
    for length in [32, 33, 63, 64, 65, 80] {
        let bytes = &key[..length];
        let old_key = match length {
            64.. => Key::from(bytes),
            _ => Key::derive_from(bytes),
        };
        for kind in [Kind::Private, Kind::Signed] {
            let value = made(kind, &old_key, "old", "text");
            let read = |key: &[u8]| kind.reader("old", key).read(|text| Some(text.to_owned()))(&value);
            let adopted = read(bytes).expect("the old application's key");
            assert_eq!(adopted.data, "text", "{length}");
            assert!(
                read(old_key.master()).is_some(),
                "{length}: `Key::master` reads the same"
            );
            // From 64 bytes on, the first 64 are the key.
            let changed = length.min(64) - 1;
            let mut other = bytes.to_vec();
            other[changed] ^= 1;
            let is_read = read(&other).is_some();
            // The last byte of 64 is of the key that encrypts.
            assert_eq!(is_read, kind == Kind::Signed && length >= 64, "{length}");
            other = bytes.to_vec();
            other[0] ^= 1;
            let is_read = read(&other).is_some();
            assert_eq!(is_read, kind == Kind::Private && length >= 64, "{length}");
        }
    }
}

/// The value of a cookie as the crate's own jars make it, percent-encoded.
fn made(kind: Kind, key: &Key, name: &'static str, text: &str) -> String {
    let mut jar = CookieJar::new();
    let cookie = Cookie::new(name, text.to_owned());
    match kind {
        Kind::Private => jar.private_mut(key).add(cookie),
        Kind::Signed => jar.signed_mut(key).add(cookie),
    }
    let line = jar.get(name).unwrap().encoded().to_string();
    line.split_once('=').unwrap().1.to_owned()
}

#[test]
fn what_data_refuses_becomes_no_session() {
    for row in old_cookies() {
        let read = row.kind.reader(&row.name, &row.key);
        let read = read.read(|text| (text == "other").then_some(()));
        assert!(read(&row.value).is_none(), "{}", row.label);
    }
}

#[test]
fn values_of_4096_bytes_are_read_and_longer_ones_are_not() {
    let key = Key::from(&[7; 64]);
    let reader = || JarReader::signed("old", key.master()).unwrap();
    let sessions = Sessions::<usize>::builder(ring())
        .clock(|| after(0))
        .adopt("old", at(START + DAY), reader().read(|text| Some(text.len())))
        .build()
        .unwrap();
    let value = |length: usize| {
        // `+`, `/` and `=` take three characters, so that the length depends on the signature.
        let texts = (44..64).flat_map(|other| ('a'..='z').map(move |letter| letter.to_string().repeat(length - other)));
        let mut made = texts.map(|text| (made(Kind::Signed, &key, "old", &text), text.len()));
        made.find(|(value, _)| value.len() == length).unwrap()
    };
    let state = |value: &str| {
        let session = sessions.load(RequestFields::from_cookies([format!("old={value}")]));
        session.get().copied().ok_or(session.state())
    };
    let (longest, text) = value(4096);
    assert_eq!(state(&longest), Ok(text));
    let (too_long, _) = value(4097);
    assert!(
        reader().read(|text| Some(text.len()))(&too_long).is_some(),
        "it is genuine"
    );
    assert_eq!(state(&too_long), Err(SessionState::Rejected(Reason::Malformed)));
}

// ---- what is not

#[test]
fn a_flipped_bit_and_a_missing_end_give_nothing_or_the_same_session() {
    for row in old_cookies() {
        let sessions = row.sessions();
        let value = row.value.as_bytes();
        for bit in 0..value.len() * 8 {
            let mut flipped = value.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            row.attack(&sessions, &flipped);
        }
        for length in 0..value.len() {
            let cut = &value[..length];
            assert_eq!(row.adopted(&sessions, cut), None, "{}: {length}", row.label);
        }
        for more in ["A", "=", "%3D", "%00", "%20", "%", "%2", "\u{e9}"] {
            row.attack(&sessions, format!("{}{more}", row.value));
            row.attack(&sessions, format!("{more}{}", row.value));
        }
    }
}

#[test]
fn another_name_key_or_kind_gives_nothing() {
    for row in old_cookies() {
        let read = |kind: Kind, name: &str, key: &[u8]| {
            let sessions = adopting(kind.reader(name, key), &row.name);
            row.adopted(&sessions, &row.value)
        };
        assert!(read(row.kind, &row.name, &row.key).is_some(), "{}", row.label);
        assert_eq!(read(row.kind.other(), &row.name, &row.key), None, "{}", row.label);
        for bit in [0, 7, 8 * row.key.len() - 1] {
            let mut key = row.key.clone();
            key[bit / 8] ^= 1 << (bit % 8);
            // Of 64 bytes, each half is the key of one kind.
            let is_used = key.len() < 64 || (bit < 256) == (row.kind == Kind::Signed);
            assert_eq!(
                read(row.kind, &row.name, &key).is_none(),
                is_used,
                "{} {bit}",
                row.label
            );
        }
        for key in [&[0; 32][..], &[0; 64], &[&row.key[..], &[1]].concat()] {
            // From 64 bytes on, the first 64 are the key.
            let is_same = key.len() == 65;
            assert_eq!(read(row.kind, &row.name, key).is_some(), is_same, "{}", row.label);
        }
        // A signature does not cover the name.
        let is_signed = row.kind == Kind::Signed;
        for name in ["Login", "other", "logi"] {
            assert_eq!(
                read(row.kind, name, &row.key).is_some(),
                is_signed,
                "{} {name}",
                row.label
            );
        }
    }
}

#[test]
fn other_spellings_of_the_base64_give_nothing() {
    const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut attacks = 0;
    for row in old_cookies() {
        let sessions = row.sessions();
        let decoded = row.decoded();
        let (base64, rest) = decoded.split_at(row.kind.base64_length(&decoded));
        let mut refused = |base64: &[u8], what: &str| {
            let value = spelled(&[base64, rest].concat(), || 0);
            assert_eq!(row.adopted(&sessions, value), None, "{} {what}", row.label);
            attacks += 1;
        };
        let padding = base64.iter().filter(|&&byte| byte == b'=').count();
        let digits = &base64[..base64.len() - padding];
        if padding > 0 {
            refused(digits, "without padding");
            refused(&base64[..base64.len() - 1], "with less padding");
            // 2 bits are spare for one `=`, 4 for two.
            let last = STANDARD.iter().position(|byte| Some(byte) == digits.last()).unwrap();
            for spare in 1..(1 << (2 * padding)) {
                let mut other = base64.to_vec();
                other[digits.len() - 1] = STANDARD[last | spare];
                refused(&other, "with spare bits");
            }
        }
        refused(&[base64, b"="].concat(), "with more padding");
        refused(&[base64, b"===="].concat(), "with more padding");
        for (of_standard, of_url) in [(b'+', b'-'), (b'/', b'_')] {
            if let Some(place) = base64.iter().position(|&byte| byte == of_standard) {
                let mut other = base64.to_vec();
                other[place] = of_url;
                refused(&other, "of addresses");
            }
        }
        for blank in [b' ', b'\n', b'\t', 0] {
            let middle = base64.len() / 2;
            refused(
                &[&base64[..middle], &[blank], &base64[middle..]].concat(),
                "with a blank inside",
            );
        }
    }
    assert!(attacks > 300, "{attacks}");
}

#[test]
fn what_stands_around_a_value_gives_nothing_or_the_same_session() {
    for row in old_cookies() {
        let sessions = row.sessions();
        for around in [
            "\"", " ", "\t", "  \t", "%20", "%22", "\u{a0}", "\u{3000}", "%C2%A0", "'", "=", "\\\"",
        ] {
            for value in [
                format!("{around}{}{around}", row.value),
                format!("{around}{}", row.value),
                format!("{}{around}", row.value),
            ] {
                row.attack(&sessions, value);
            }
        }
        let quoted = format!("\"{}\"", row.value);
        assert_eq!(row.adopted(&sessions, quoted), None, "no library quotes them");
    }
}

#[test]
fn values_that_are_no_utf_8_give_nothing() {
    for row in old_cookies() {
        let sessions = row.sessions();
        for value in [&b"\xff"[..], b"%FF", b"%C3", b"%ED%A0%80"] {
            for value in [
                value.to_vec(),
                [row.value.as_bytes(), value].concat(),
                [value, row.value.as_bytes()].concat(),
            ] {
                assert_eq!(row.adopted(&sessions, &value), None, "{}", row.label);
            }
        }
    }
}

#[test]
fn names_that_no_cookie_has_read_nothing() {
    let value = made(Kind::Private, &Key::from(&[7; 64]), "old", "text");
    for name in ["", " ", ";", "a;b", "=", "a=b", "%FF", "old; x"] {
        let read = JarReader::private(name, &[7; 64])
            .unwrap()
            .read(|text| Some(text.to_owned()));
        assert!(read(&value).is_none(), "{name}");
    }
}

#[test]
fn debug_shows_the_name_and_no_key() {
    let reader = JarReader::private("login", &[0x5a; 64]).unwrap();
    assert_eq!(format!("{reader:?}"), "JarReader { name: \"login\", .. }");
}

proptest! {
    #[test]
    fn every_percent_encoding_of_a_cookie_is_one_session(number in 0..40usize, choices in vec(0..3u8, 1..300)) {
        let rows = old_cookies();
        let row = &rows[number % rows.len()];
        let sessions = row.sessions();
        let mut choices = choices.iter().copied().cycle();
        let spelled = spelled(&row.decoded(), || choices.next().unwrap_or(0));
        prop_assert!(spelled.len() <= 4096);
        let expected = row.adopted(&sessions, &row.value);
        prop_assert!(expected.is_some());
        prop_assert_eq!(row.adopted(&sessions, &spelled), expected, "{}: {}", row.label, spelled);
    }

    #[test]
    fn made_up_values_never_panic_and_give_nothing(
        made_up in any::<String>(),
        bytes in vec(any::<u8>(), 0..200),
        like_base64 in "[A-Za-z0-9+/=%;]{0,120}",
    ) {
        for kind in [Kind::Private, Kind::Signed] {
            let sessions = adopting(kind.reader("old", &[7; 64]), "old");
            for value in [made_up.as_bytes(), &bytes, like_base64.as_bytes()] {
                let field = [b"old=", value].concat();
                prop_assert!(sessions.load(RequestFields::from_cookies([field])).get().is_none());
            }
            let read = kind.reader("old", &[7; 64]).read(|text| Some(text.to_owned()));
            prop_assert!(read(&made_up).is_none());
            prop_assert!(read(&like_base64).is_none());
        }
    }

    /// Whatever is changed: several bytes, anywhere.
    #[test]
    fn a_changed_cookie_gives_nothing_or_the_same_session(
        number in 0..40usize,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let rows = old_cookies();
        let row = &rows[number % rows.len()];
        let mut value = row.value.clone().into_bytes();
        for (place, byte) in changes {
            let place = place.index(value.len());
            value[place] = byte;
        }
        row.attack(&row.sessions(), value);
    }
}
