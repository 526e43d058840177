//! Nothing that the crate shows has a secret, a token or session data in it: `Debug`, `Display`, errors, events,
//! panics.
#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::fmt::{Debug, Display};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use sealed_session::edge::{Checker, EdgeRights};
use sealed_session::revocation::Revocations;
use sealed_session::{Event, Key, KeyRing, RequestFields, Sealer, Sessions, WriteError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use testkit::{DAY, Seen, after, key};

/// Everything that was shown, and the texts that may not be in it.
#[derive(Default)]
struct Shown {
    texts: Vec<String>,
    secrets: Vec<String>,
}

impl Shown {
    fn debug(&mut self, value: &impl Debug) {
        self.texts.push(format!("{value:?} {value:#?}"));
    }

    fn error(&mut self, error: &(impl Debug + Display)) {
        self.debug(error);
        self.texts.push(error.to_string());
    }

    /// Key bytes: as text in hexadecimal, and as `Debug` writes arrays of bytes.
    fn never_key(&mut self, hex: &str) {
        for piece in testkit::unhex(hex).chunks_exact(4) {
            let digits = testkit::hex(piece);
            let array = format!("{piece:?}");
            self.secrets.push(digits.to_uppercase());
            self.secrets.push(digits);
            self.secrets.push(array.trim_matches(['[', ']']).to_owned());
        }
    }

    #[track_caller]
    fn assert_silent(&self) {
        assert!(!self.texts.is_empty() && !self.secrets.is_empty());
        for text in &self.texts {
            for secret in &self.secrets {
                assert!(!text.contains(secret), "{secret} is in: {text}");
            }
        }
    }
}

/// The 64 digits of a written key.
fn digits(key: &Key) -> String {
    key.write_with_secret().expose().rsplit('_').next().unwrap().to_owned()
}

fn ring() -> KeyRing {
    let ring = KeyRing::new(key(1)).also_opening(key(2)).unwrap();
    let ring = ring.also_opening(key(3)).unwrap();
    ring.promote(key(3).id(), Some(after(DAY))).unwrap()
}

#[test]
fn no_key_is_in_any_debug_or_event() {
    let mut shown = Shown::default();
    for number in 1..=3 {
        shown.never_key(&digits(&key(number)));
        shown.debug(&key(number));
        shown.debug(&key(number).write_with_secret());
    }
    shown.debug(&ring());
    shown.debug(&ring().describe());
    shown.debug(&ring().write_with_secrets());
    let seen = Seen::default();
    let builder = Sessions::<String>::builder(ring())
        .observer(seen.observer())
        .revocation_list(Revocations::new());
    shown.debug(&builder);
    let sessions = builder.build().unwrap();
    shown.debug(&sessions);
    let keys = sessions.edge_keys_at(2, EdgeRights::Open, after(0));
    let exported: Vec<&str> = keys.expose().split('"').filter(|part| part.len() == 64).collect();
    assert!(exported.len() >= 3 * 3 * 2, "{}", exported.len());
    exported.iter().for_each(|key| shown.never_key(key));
    shown.debug(&keys);
    let checker = Checker::from_edge_keys(keys.expose()).unwrap();
    shown.debug(&checker);
    let cookie = sessions.cookie_for_at("x".into(), after(0)).unwrap();
    shown.debug(&checker.check_at(&RequestFields::from_cookies([cookie.clone()]), after(1)));
    let mut session = sessions.load_at(RequestFields::from_cookies([cookie]), after(1));
    sessions.replace_keys(ring());
    session.cycle_id().unwrap();
    shown.debug(&session.finish_patch(200));
    shown.debug(&session);
    let sealer = Sealer::new(ring(), "link").unwrap();
    shown.debug(&sealer);
    shown.debug(&sealer.open_at("AQ", b"", after(0)));
    let events = seen.take();
    assert!(
        events.iter().any(|event| matches!(event, Event::KeysInUse { .. })),
        "{events:?}"
    );
    shown.debug(&events);
    shown.assert_silent();
}

#[test]
fn no_key_is_in_an_error_whatever_is_wrong_with_the_text_around_it() {
    let mut shown = Shown::default();
    (1..=3).for_each(|number| shown.never_key(&digits(&key(number))));
    let ring = ring().write_with_secrets();
    let ring = ring.expose();
    let mut refused = 0;
    let mut read = |text: &str| {
        if let Err(error) = KeyRing::parse(text) {
            shown.error(&error);
            refused += 1;
        }
        if let Err(error) = text.parse::<Key>() {
            shown.error(&error);
        }
    };
    for at in 0..ring.len() {
        read(&ring[..at]);
        read(&ring[at..]);
        read(&format!("{}{}", &ring[..at], &ring[at + 1..]));
        for other in ["x", " ", "\n", "=", "_", "\u{e9}", "0"] {
            read(&format!("{}{other}{}", &ring[..at], &ring[at + 1..]));
        }
    }
    assert!(refused > 1000, "{refused}");
    // The keys themselves, given in place of the name of a variable or a file.
    let lone = key(1).write_with_secret();
    for text in [ring, lone.expose(), &lone.expose()[1..], &lone.expose()[..60]] {
        shown.error(&KeyRing::from_env(text).unwrap_err());
        shown.error(&KeyRing::from_file(text).unwrap_err());
    }
    assert!(
        KeyRing::from_env("NO_SUCH_RING")
            .unwrap_err()
            .to_string()
            .contains("NO_SUCH_RING")
    );
    // Raw secrets that are refused.
    for raw in [&[7; 32][..], &[200; 31], b"sealed1_9e4859a4_4b99fb7887e95d5d"] {
        shown.never_key(&raw.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        shown.error(&Key::from_raw_secret(raw).unwrap_err());
    }
    shown.assert_silent();
}

#[test]
fn no_key_is_in_an_error_of_the_edge() {
    let mut shown = Shown::default();
    let sessions = Sessions::<String>::builder(ring()).build().unwrap();
    let keys = sessions.edge_keys_at(0, EdgeRights::Check, after(0));
    let json = keys.expose();
    let exported = json.split('"').filter(|part| part.len() == 64);
    exported.for_each(|key| shown.never_key(key));
    let mut refused = 0;
    for at in (0..json.len()).filter(|&at| json.is_char_boundary(at) && json.is_char_boundary(at + 1)) {
        for text in [json[..at].to_owned(), format!("{}%{}", &json[..at], &json[at + 1..])] {
            if let Err(error) = Checker::from_edge_keys(&text) {
                shown.error(&error);
                refused += 1;
            }
        }
    }
    assert!(refused > json.len(), "{refused}");
    shown.assert_silent();
}

/// Data that panics with its own message, when it is written or read as its word says.
struct Trap(String);

impl Serialize for Trap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(!self.0.starts_with("write"), "trap");
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Trap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        assert!(!word.starts_with("read"), "trap");
        Ok(Self(word))
    }
}

#[test]
fn a_panic_in_foreign_code_shows_nothing_but_its_own_message() {
    const WORD: &str = "Rumpelstilzchen";
    let messages = Arc::new(Mutex::new(Vec::new()));
    let collected = Arc::clone(&messages);
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        // Other tests of this file do not panic with this message.
        if text.as_deref() == Some("trap") {
            collected.lock().unwrap().push(info.to_string());
        } else {
            usual(info);
        }
    }));
    let mut shown = Shown::default();
    (1..=3).for_each(|number| shown.never_key(&digits(&key(number))));
    shown.secrets.push(WORD.into());
    let quiet = Sessions::<Trap>::builder(ring()).build().unwrap();
    let cookie = quiet.cookie_for_at(Trap(WORD.into()), after(0)).unwrap();
    let fields = || RequestFields::from_cookies([cookie.clone()]);
    let observed = Sessions::<Trap>::builder(ring())
        .observer(|event: &Event| match event {
            Event::KeysInUse { .. } => {}
            _ => panic!("trap"),
        })
        .build();
    let traps: [&dyn Fn() -> Result<(), WriteError>; 4] = [
        &|| quiet.load_at(fields(), after(0)).start(Trap(format!("write {WORD}"))),
        // It is read back at once.
        &|| quiet.load_at(fields(), after(0)).start(Trap(format!("read {WORD}"))),
        &|| {
            let mut session = quiet.load_at(fields(), after(0));
            session.update(|_| panic!("trap")).map(|_| ())
        },
        &|| {
            observed
                .as_ref()
                .unwrap()
                .cookie_for_at(Trap(WORD.into()), after(0))
                .map(|_| ())
        },
    ];
    let caught = traps.map(|trap| catch_unwind(AssertUnwindSafe(trap)).is_err());
    _ = panic::take_hook();
    shown.texts.clone_from(&messages.lock().unwrap());
    assert_eq!(caught, [true; 4]);
    assert_eq!(shown.texts.len(), 4, "{:?}", shown.texts);
    shown.assert_silent();
}
