//! Session and activity tokens of any content, sealed as SPEC.md says: also those that the crate would never make, with
//! unknown flags, an expiry before the start, or a payload that is not JSON. And how such a token opens.

use aes_gcm::aead::Aead;
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A secret, a cookie name and an audience, and the bind, which does not travel.
pub struct Sealing<'a> {
    pub secret: [u8; 32],
    pub name: &'a str,
    pub audience: &'a str,
    pub bind: &'a [u8],
}

/// The content of a session token.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    pub expires: u32,
    pub id: [u8; 8],
    pub salt: [u8; 12],
    pub started: u32,
    pub sealed: u32,
    pub flags: u8,
    pub payload: &'a [u8],
}

impl Sealing<'_> {
    pub fn session(&self, content: &Content) -> Vec<u8> {
        let head = [&self.start(1, content.expires, content.id)[..], &content.salt].concat();
        let [check, key] = self.check_and_key(&head, content.expires);
        let times = [content.started.to_be_bytes(), content.sealed.to_be_bytes()].concat();
        let frame = [&times[..], &[content.flags], content.payload].concat();
        let body = Aes256Gcm::new(&key.into())
            .encrypt(&Nonce::default(), &frame[..])
            .expect("shorter than 64 GiB");
        [&head[..], &check[..16], &body].concat()
    }

    /// Steps 5 and 6 of opening, for a session token with a head of so many bytes: whether a holder of the secret made
    /// the head, and the frame, if the body is whole.
    pub fn open(&self, token: &[u8], head: usize) -> (bool, Option<Vec<u8>>) {
        let (head, rest) = token.split_at(head);
        let (sent, body) = rest.split_at(16);
        let expires = u32::from_be_bytes(head[5..9].try_into().expect("4 bytes"));
        let [check, key] = self.check_and_key(head, expires);
        let frame = Aes256Gcm::new(&key.into()).decrypt(&Nonce::default(), body);
        (sent == &check[..16], frame.ok())
    }

    fn check_and_key(&self, head: &[u8], expires: u32) -> [[u8; 32]; 2] {
        let bound = [head, self.bind].concat();
        ["check key", "seal key"].map(|label| expand(&self.day_key(label, expires, self.name), &bound))
    }

    pub fn activity(&self, expires: u32, id: [u8; 8]) -> Vec<u8> {
        let head = self.start(2, expires, id);
        let key = self.day_key("check key", expires, &format!("{}-seen", self.name));
        let check = expand(&key, &[&head[..], self.bind].concat());
        [&head[..], &check[..16]].concat()
    }

    fn start(&self, version: u8, expires: u32, id: [u8; 8]) -> Vec<u8> {
        let key_id = expand(&self.root(), b"key id");
        [&[version][..], &key_id[..4], &expires.to_be_bytes(), &id].concat()
    }

    fn root(&self) -> [u8; 32] {
        hmac(b"sealed-session/v1", &self.secret)
    }

    fn day_key(&self, label: &str, expires: u32, name: &str) -> [u8; 32] {
        let mut info = [label.as_bytes(), &(expires / 86_400).to_be_bytes()].concat();
        for part in [name, self.audience] {
            info.push(u8::try_from(part.len()).expect("at most 255 bytes"));
            info.extend_from_slice(part.as_bytes());
        }
        expand(&self.root(), &info)
    }
}

fn expand(key: &[u8; 32], info: &[u8]) -> [u8; 32] {
    hmac(key, &[info, &[1]].concat())
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    hmac.update(message);
    hmac.finalize().into_bytes().into()
}

/// base64url without padding.
pub fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() * 4 / 3 + 2);
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |sum, at| sum << 8 | usize::from(*three.get(at).unwrap_or(&0)));
        (0..=three.len()).for_each(|at| text.push(ALPHABET[bits >> (18 - 6 * at) & 63]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{number, rows, text, unhex};
    use crate::reference::token::decode;

    #[test]
    fn texts_are_written_as_they_are_read() {
        for bytes in [&b""[..], b"A", b"AB", b"ABC", b"\xfb\xff\0", b"\0\0\0\0\xff"] {
            assert_eq!(decode(&encode(bytes)).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn the_rows_of_the_vectors_that_open_are_sealed_to_the_byte() {
        let good: Vec<_> = rows("vectors").iter().filter(|row| row["expect"] == "ok").collect();
        assert!(good.len() > 50);
        for row in good {
            let with = &row["sealed_with"];
            let short = |field| u32::try_from(number(row, field)).expect("32 bits");
            let sealing = Sealing {
                secret: unhex(text(row, "secret")).try_into().expect("32 bytes"),
                name: text(with, "name"),
                audience: text(with, "audience"),
                bind: &unhex(text(with, "bind")),
            };
            let content = Content {
                expires: short("expires"),
                id: unhex(text(row, "session_id")).try_into().expect("8 bytes"),
                salt: unhex(text(row, "salt")).try_into().expect("12 bytes"),
                started: short("started"),
                sealed: short("sealed"),
                flags: u8::try_from(number(row, "flags")).expect("a byte"),
                payload: &unhex(text(row, "payload")),
            };
            let token = sealing.session(&content);
            assert_eq!(encode(&token), text(row, "token").as_bytes());
            let frame = sealing.open(&token, 29).1.expect("a whole body");
            assert_eq!(frame[9..], *content.payload);
        }
    }
}
