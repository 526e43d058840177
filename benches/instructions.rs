//! A fixed script of operations for an instruction counter: `instructions OPERATION COUNT`.
//!
//! `benches/instructions.sh` runs it under callgrind and compares with `benches/instructions.budget`. `bare-OPERATION` is
//! the same with the primitives alone: what is left of the difference is the library's own.

mod payload;

use std::hint::black_box;

use aes_gcm::aead::AeadInOut;
use aes_gcm::aes::Aes256Enc;
use aes_gcm::aes::cipher::consts::U12;
use aes_gcm::{AesGcm, KeyInit, Nonce, Tag};
use base64::Engine as _;
use hkdf::hmac::{Hmac, Mac};
use payload::{Visit, visit};
use sealed_session::{Key, KeyRing, Lifetime, RequestFields, Session, Sessions};
use sha2::Sha256;
use time::OffsetDateTime;

const NOW: i64 = 1_893_369_600;
const KEY: &str = "sealed1_9e4859a4_4b99fb7887e95d5dcac0842e4cca21f0e48cc6a1f7c3fedd84678d0b3fc0ff81";

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(NOW + seconds).expect("a time")
}

fn sessions(with_idle: bool, opened_cache: usize) -> Sessions<Visit> {
    let builder = Sessions::builder(KeyRing::new(Key::parse(KEY).expect("a key")))
        .audience("bench")
        .opened_cache(opened_cache);
    let builder = if with_idle {
        builder
    } else {
        builder.lifetime(Lifetime::default().without_idle())
    };
    builder.build().expect("a configuration")
}

/// The text before the first `/` names the operation, the rest is the payload's size.
fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let [operation, count] = &arguments[..] else {
        println!("usage: instructions OPERATION/SIZE COUNT (run by benches/instructions.sh)");
        return;
    };
    let count: u32 = count.parse().expect("a number");
    let (operation, size) = operation.split_once('/').expect("OPERATION/SIZE");
    let size: usize = size.parse().expect("a number");
    let with_idle = sessions(true, 0);
    let without_idle = sessions(false, 0);
    let with_cache = sessions(true, 1 << 20);
    let data = visit(size);
    let cookie = with_idle.cookie_for_at(data.clone(), at(0)).expect("it fits");
    let token = cookie.split("; ").next().expect("a session cookie").to_owned();
    let altered = |at: usize| {
        let mut bytes = token.clone().into_bytes();
        let at = "__Host-id=".len() + at;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("ASCII")
    };
    let read = |sessions: &Sessions<Visit>, cookie: &str, now: i64| {
        let session = sessions.load_at(RequestFields::from_cookies([cookie.to_owned()]), at(now));
        black_box(session.get().is_some())
    };
    let mut bare = Bare::new(&cookie, &data);
    let sends = |session: &Session<Visit>| black_box(session.finish_patch(200)).set_cookies().next().is_some();
    for _ in 0..count {
        let found = match operation {
            "open" => read(&without_idle, &token, 60),
            "open-with-activity" => read(&with_idle, &cookie, 60),
            "open-seen" => read(&with_cache, &cookie, 60),
            "reject-flipped-bit" => !read(&without_idle, &altered(80), 60),
            "reject-expired" => !read(&without_idle, &token, 13 * 3600),
            "reject-unknown-key" => !read(&without_idle, &altered(3), 60),
            "untouched" => {
                let session = with_idle.load_at(RequestFields::from_cookies([cookie.clone()]), at(60));
                session.finish_patch(200).set_cookies().next().is_none()
            }
            "start" => {
                let mut session = with_idle.load_at(RequestFields::default(), at(0));
                session.start(data.clone()).is_ok() && sends(&session)
            }
            "update" => {
                let mut session = with_idle.load_at(RequestFields::from_cookies([cookie.clone()]), at(60));
                let changed = session.update(|visit| visit.user += 1);
                changed.is_ok() && sends(&session)
            }
            "bare-open" => bare.opens(token.clone(), false),
            "bare-open-with-activity" => bare.opens(cookie.clone(), true),
            "bare-reject-flipped-bit" => bare.decodes(altered(80)) && bare.hmacs(2) && !bare.decrypts(),
            "bare-reject-expired" => bare.decodes(token.clone()),
            "bare-reject-unknown-key" => bare.decodes(altered(3)),
            "bare-untouched" | "bare-open-seen" => !black_box(cookie.clone()).is_empty(),
            "bare-start" => bare.seals(&data.clone(), true),
            "bare-update" => bare.opens(cookie.clone(), true) && bare.reads() && bare.seals(&data, false),
            other => panic!("no operation {other}"),
        };
        assert!(found, "{operation}");
    }
}

/// HMAC, AES-GCM, base64url and JSON from the crates of the library, in buffers that exist already.
struct Bare {
    hmac: Hmac<Sha256>,
    engine: base64::engine::Simd,
    values: [String; 2],
    bytes: Vec<u8>,
    json: Vec<u8>,
    text: String,
}

impl Bare {
    fn new(cookie: &str, data: &Visit) -> Self {
        let (session, activity) = cookie.split_once("; ").expect("two cookies");
        let value = |pair: &str| pair.split_once('=').expect("a pair").1.to_owned();
        Self {
            hmac: Hmac::new_from_slice(&[7; 32]).expect("a key"),
            engine: base64::engine::Simd::url_safe(base64::engine::general_purpose::NO_PAD),
            values: [value(session), value(activity)],
            bytes: vec![0; 4096],
            json: serde_json::to_vec(data).expect("a visit serialises"),
            text: String::with_capacity(8192),
        }
    }

    /// Decodes the session token. `cookie` is the request's own copy of the header field, as in the operation.
    fn decodes(&mut self, cookie: String) -> bool {
        black_box(cookie);
        self.decodes_value(0)
    }

    fn decodes_value(&mut self, index: usize) -> bool {
        let decoded = self.engine.decode_slice(&self.values[index], &mut self.bytes);
        black_box(decoded).is_ok()
    }

    /// Each of a message as long as a token's head.
    fn hmacs(&self, count: usize) -> bool {
        for _ in 0..count {
            let mut hmac = self.hmac.clone();
            hmac.update(black_box(&[1; 30]));
            black_box(hmac.finalize().into_bytes());
        }
        true
    }

    fn cipher() -> AesGcm<Aes256Enc, U12> {
        AesGcm::new(black_box(&[9; 32]).into())
    }

    fn encrypts(&mut self) -> bool {
        let length = self.json.len() + 9;
        let tag = Self::cipher().encrypt_inout_detached(&Nonce::default(), &[], (&mut self.bytes[..length]).into());
        black_box(tag).is_ok()
    }

    /// A wrong tag: nothing is decrypted.
    fn decrypts(&mut self) -> bool {
        let (length, tag) = (self.json.len() + 9, Tag::default());
        let text = (&mut self.bytes[..length]).into();
        Self::cipher()
            .decrypt_inout_detached(&Nonce::default(), &[], text, &tag)
            .is_ok()
    }

    fn reads(&self) -> bool {
        let text = std::str::from_utf8(black_box(&self.json)).expect("JSON");
        black_box(serde_json::from_str::<Visit>(text)).is_ok()
    }

    /// Encrypting stands for decrypting, which does the same work in another order.
    fn opens(&mut self, cookie: String, with_activity: bool) -> bool {
        let activity = !with_activity || self.decodes_value(1) && self.hmacs(1);
        activity && self.decodes(cookie) && self.hmacs(2) && self.encrypts() && self.reads()
    }

    fn seals(&mut self, data: &Visit, with_activity: bool) -> bool {
        self.json.clear();
        let is_written = serde_json::to_writer(&mut self.json, data).is_ok() && self.reads();
        let is_sealed = is_written && self.hmacs(if with_activity { 3 } else { 2 }) && self.encrypts();
        self.text.clear();
        self.engine
            .encode_string(&self.bytes[..self.json.len() + 70], &mut self.text);
        if with_activity {
            self.engine.encode_string(&self.bytes[..33], &mut self.text);
        }
        is_sealed
    }
}
