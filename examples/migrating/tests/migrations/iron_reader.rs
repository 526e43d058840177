//! The reader and the writer of iron-session's cookies, against seals that iron-session made.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use migrating::Login;
use migrating::iron::reader::{Passwords, read};
use migrating::iron::writer::seal;
use pbkdf2::hmac::{Hmac, KeyInit, Mac};
use sealed_session::SessionId;
use sealed_session::adopt::Adopted;
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use crate::world::Random;

/// `iron_seals.json`, which src/iron/fixtures.js wrote.
#[derive(Deserialize)]
struct Fixtures {
    made: i64,
    passwords: BTreeMap<u64, String>,
    /// By the version of iron-session, then by name.
    seals: BTreeMap<u64, BTreeMap<String, String>>,
}

impl Fixtures {
    fn load() -> Self {
        let fixtures: Self = serde_json::from_str(include_str!("iron_seals.json")).unwrap();
        assert_eq!(fixtures.seals.keys().collect::<Vec<_>>(), [&8, &9]);
        fixtures
    }

    fn passwords(&self) -> Passwords {
        let mut all: Vec<_> = self.passwords.clone().into_iter().collect();
        let newest = all.pop().unwrap();
        Passwords { newest, older: all }
    }

    fn made(&self) -> OffsetDateTime {
        at(i128::from(self.made))
    }

    fn read(&self, value: &str) -> Option<Adopted<Login>> {
        read(&self.passwords(), value, self.made())
    }

    /// The seal with this text under a MAC of ours.
    fn with_mac(&self, covered: &str, salt: &str) -> String {
        let id = covered.split('*').nth(1).and_then(|id| id.parse().ok());
        let password = id.and_then(|id| self.passwords.get(&id)).unwrap_or(&self.passwords[&1]);
        let key = pbkdf2::pbkdf2_hmac_array::<sha1::Sha1, 32>(password.as_bytes(), salt.as_bytes(), 1);
        let mac = Hmac::<sha2::Sha256>::new_from_slice(&key)
            .unwrap()
            .chain_update(covered);
        let mac = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{covered}*{salt}*{mac}~2")
    }

    fn each(&self, test: impl Fn(&str, &str)) {
        for (version, seals) in &self.seals {
            for (name, seal) in seals {
                test(name, seal);
                println!("iron-session {version}: {name}");
            }
        }
    }

    /// The seals that are sessions.
    fn good(&self) -> Vec<&str> {
        let names = ["single_password", "second_password", "one_minute", "forever"];
        self.seals
            .values()
            .flat_map(|seals| names.map(|name| &*seals[name]))
            .collect()
    }
}

fn at(milliseconds: i128) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(milliseconds * 1_000_000).unwrap()
}

fn login() -> Login {
    let cart = vec!["bread".to_owned(), "Käse".to_owned()];
    Login { user: 7, cart }
}

#[test]
fn seals_of_both_versions_are_read() {
    let fixtures = Fixtures::load();
    fixtures.each(|name, seal| {
        let old = fixtures.read(seal);
        match name {
            // An empty session, and a password that is not known.
            "guest" | "another_key" => assert!(old.is_none(), "{name}"),
            _ => {
                let old = old.expect(name);
                assert_eq!(old.data, login());
                assert!(old.started.is_none() && old.remembered);
            }
        }
    });
}

#[test]
fn the_wrong_password_opens_nothing() {
    let fixtures = Fixtures::load();
    let mut passwords = fixtures.passwords();
    for (_, password) in passwords.older.iter_mut().chain([&mut passwords.newest]) {
        password.push('!');
    }
    for seal in fixtures.good() {
        assert!(read::<Login>(&passwords, seal, fixtures.made()).is_none());
    }
}

/// To the millisecond, as iron does.
#[test]
fn a_seal_ends_sixty_seconds_after_its_expiration() {
    let fixtures = Fixtures::load();
    let passwords = fixtures.passwords();
    for seal in fixtures.good() {
        let expiration = seal.split('*').nth(5).unwrap();
        let Ok(expiration) = expiration.parse::<i128>() else {
            let late = fixtures.made() + Duration::days(5000);
            assert!(read::<Login>(&passwords, seal, late).is_some(), "`ttl: 0` has no end");
            continue;
        };
        let end = expiration + 60_000;
        assert!(read::<Login>(&passwords, seal, at(end - 1)).is_some());
        assert!(read::<Login>(&passwords, seal, at(end)).is_none());
    }
}

#[test]
fn every_changed_byte_and_every_truncation_is_refused() {
    let fixtures = Fixtures::load();
    for seal in fixtures.good() {
        for position in 0..seal.len() {
            for bit in 0..7 {
                let mut bytes = seal.as_bytes().to_vec();
                bytes[position] ^= 1 << bit;
                let changed = String::from_utf8(bytes).unwrap();
                assert!(fixtures.read(&changed).is_none(), "{changed}");
            }
            assert!(fixtures.read(&seal[..position]).is_none());
            assert!(fixtures.read(&seal[position + 1..]).is_none());
            let without_one = format!("{}{}", &seal[..position], &seal[position + 1..]);
            assert!(fixtures.read(&without_one).is_none(), "{without_one}");
        }
    }
}

/// A thief cannot spell the cookie of a visitor who signed out anew.
#[test]
fn a_seal_has_one_spelling() {
    let fixtures = Fixtures::load();
    for value in fixtures.good() {
        for other in spellings(value) {
            assert_ne!(other, value);
            assert!(fixtures.read(&other).is_none(), "{other}");
        }
    }
}

/// Whoever has the password can give a seal another MAC. It stays the same session.
#[test]
fn the_id_is_of_what_the_mac_covers() {
    let fixtures = Fixtures::load();
    for value in fixtures.good() {
        let (covered, _) = value.rsplit_once('*').unwrap().0.rsplit_once('*').unwrap();
        let id = fixtures.read(value).unwrap().id();
        for salt in ["", "a", "é"] {
            assert_eq!(fixtures.read(&fixtures.with_mac(covered, salt)).unwrap().id(), id);
        }
    }
}

/// Iron makes none of these.
#[test]
fn odd_parts_under_a_good_mac_are_refused() {
    let fixtures = Fixtures::load();
    let good = &fixtures.seals[&9]["single_password"];
    let parts: Vec<_> = good.split('*').take(6).collect();
    let check = |index: usize, odd: &str| {
        let mut parts = parts.clone();
        parts[index] = odd;
        let value = fixtures.with_mac(&parts.join("*"), "salt");
        assert_eq!(
            fixtures.read(&value).is_some(),
            odd == good.split('*').nth(index).unwrap(),
            "{value}"
        );
    };
    for (index, part) in parts.iter().enumerate() {
        check(index, part);
    }
    for odd in ["", "fe26.2", "Fe26.1", "Fe26.2 "] {
        check(0, odd);
    }
    for odd in ["", "0", "01", "+1", " 1", "2", "3", "-1", "x"] {
        check(1, odd);
    }
    check(2, "");
    for letters in 0..100 {
        check(3, &"A".repeat(letters));
        check(4, &"A".repeat(letters));
    }
    for odd in ["0", "-1", "x", "1.5e99", " ", "1795878809226", "9".repeat(99).as_str()] {
        check(5, odd);
    }
}

fn spellings(value: &str) -> Vec<String> {
    let seal = value.strip_suffix("~2").unwrap();
    let parts: Vec<_> = seal.split('*').collect();
    let mut all: Vec<_> = ["", "~", "~1", "~3", "~02", "~2 ", "~2~2", "~2*", "*~2", "~2~", "%7E2"]
        .map(|suffix| format!("{seal}{suffix}"))
        .into();
    all.extend([format!("\"{value}\""), format!(" {value}"), format!("{value};")]);
    all.push(value.replace('*', "%2A"));
    all.push(value.replacen('.', "%2E", 1));
    all.push(format!("{value}*{value}"));
    all.push(format!("*{value}"));
    for index in 0..parts.len() {
        let mut with = |part: String| {
            let mut parts = parts.clone();
            parts[index] = &part;
            if parts[index] != seal.split('*').nth(index).unwrap() {
                all.push(format!("{}~2", parts.join("*")));
            }
        };
        let part = parts[index];
        let others = ["=", "==", "A", " ", "\n", "\0", "%", "~", "é"];
        others.iter().for_each(|end| with(format!("{part}{end}")));
        ["0", "+", "-", " ", "1"]
            .iter()
            .for_each(|start| with(format!("{start}{part}")));
        with(part.replace('-', "+").replace('_', "/"));
        with(part.to_uppercase());
        with(part.to_lowercase());
        with(String::new());
        // The spare bits of a last letter of base64url.
        for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
            let mut letters: Vec<_> = part.chars().collect();
            if let Some(letter) = letters.last_mut() {
                *letter = last;
                with(letters.into_iter().collect());
            }
        }
    }
    all
}

#[test]
fn no_text_makes_it_panic() {
    let fixtures = Fixtures::load();
    let good = fixtures.good();
    let words = [
        "*",
        "**",
        "Fe26.2",
        "~2",
        "1",
        "2",
        "=",
        "é",
        "-",
        "_",
        "AAAA",
        "9999999999999999999999999999999999999999",
    ];
    let mut random = Random(1);
    for _ in 0..20_000 {
        let mut text = String::new();
        // Pieces of good seals among letters, so that some come far.
        for _ in 0..random.below(12) {
            let seal = good[random.below(good.len())];
            match random.below(3) {
                0 => text += words[random.below(words.len())],
                1 => text += seal.split('*').nth(random.below(8)).unwrap(),
                _ => text.extend(char::from_u32(random.below(0x11_0000) as u32)),
            }
        }
        assert!(fixtures.read(&text).is_none(), "{text}");
    }
}

/// Genuine seals of what is no login, as another part of the old application may have made them.
#[test]
fn what_is_no_login_is_refused() {
    let fixtures = Fixtures::load();
    let (passwords, now) = (fixtures.passwords(), fixtures.made());
    let later = now + Duration::days(1);
    for json in ["null", "7", "[]", "\"text\"", r#"{"persistent":{"user":7,"cart":[]}}"#] {
        let data: serde_json::Value = serde_json::from_str(json).unwrap();
        let seal = seal(&passwords, &data, later).unwrap();
        assert!(read::<Login>(&passwords, &seal, now).is_none(), "{json}");
        assert_eq!(read::<serde_json::Value>(&passwords, &seal, now).unwrap().data, data);
    }
}

#[test]
fn what_the_writer_seals_is_read_until_it_ends() {
    let fixtures = Fixtures::load();
    let (passwords, now) = (fixtures.passwords(), fixtures.made());
    let mut ids: Vec<SessionId> = Vec::new();
    for length in 0..50 {
        let login = Login {
            user: 7,
            cart: vec!["x".repeat(length)],
        };
        let end = now + Duration::days(14);
        let seal = seal(&passwords, &login, end).unwrap();
        assert!(seal.starts_with("Fe26.2*2*"), "{seal}");
        let old = read::<Login>(&passwords, &seal, now).unwrap();
        assert_eq!(old.data, login);
        assert!(read::<Login>(&passwords, &seal, end + Duration::seconds(60)).is_none());
        assert!(!ids.contains(&old.id()));
        ids.push(old.id());
    }
}
