//! What the primitives cost, and so the least that an open and a seal can take.

use std::cell::RefCell;
use std::hint::black_box;

use base64::Engine as _;
use base64::engine::Simd;
use base64::engine::general_purpose::NO_PAD;
use hkdf::hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::SIZES;
use crate::contestants as all;
use crate::payload::visit;
use crate::report::time;
use sealed_session_peers::measure::{Effort, Operation, interleave, lower_quartile, operation, without};

/// Bytes of a token beside the payload: head (29), check (16), frame head (9), tag (16).
const OVERHEAD: usize = 70;
const HEAD: usize = 29;
const FRAME: usize = 9;
const TAG: usize = 16;

/// A crate with AES-256-GCM.
trait Line {
    type Cipher: 'static;
    fn new(key: &[u8; 32]) -> Self::Cipher;
    fn encrypt(cipher: &Self::Cipher, text: &mut [u8]) -> [u8; TAG];
    fn decrypt(cipher: &Self::Cipher, text: &mut [u8], tag: [u8; TAG]) -> bool;
}

const LINES: [&str; 3] = ["aes-gcm 0.11", "aes-gcm 0.10", "ring 0.17"];

/// What sealed-session uses.
struct AesGcm011;

impl Line for AesGcm011 {
    type Cipher = aes_gcm::AesGcm<aes_gcm::aes::Aes256Enc, aes_gcm::aes::cipher::consts::U12>;

    fn new(key: &[u8; 32]) -> Self::Cipher {
        aes_gcm::KeyInit::new(key.into())
    }

    fn encrypt(cipher: &Self::Cipher, text: &mut [u8]) -> [u8; TAG] {
        use aes_gcm::aead::AeadInOut as _;
        let tag = cipher.encrypt_inout_detached(&Default::default(), &[], text.into());
        tag.expect("it is short").into()
    }

    fn decrypt(cipher: &Self::Cipher, text: &mut [u8], tag: [u8; TAG]) -> bool {
        use aes_gcm::aead::AeadInOut as _;
        let opened = cipher.decrypt_inout_detached(&Default::default(), &[], text.into(), &tag.into());
        opened.is_ok()
    }
}

/// What `PrivateJar` uses.
struct AesGcm010;

impl Line for AesGcm010 {
    type Cipher = aes_gcm_010::AesGcm<aes_gcm_010::aes::Aes256Enc, aes_gcm_010::aes::cipher::consts::U12>;

    fn new(key: &[u8; 32]) -> Self::Cipher {
        aes_gcm_010::KeyInit::new(key.into())
    }

    fn encrypt(cipher: &Self::Cipher, text: &mut [u8]) -> [u8; TAG] {
        use aes_gcm_010::aead::AeadInPlace as _;
        let tag = cipher.encrypt_in_place_detached(&Default::default(), &[], text);
        tag.expect("it is short").into()
    }

    fn decrypt(cipher: &Self::Cipher, text: &mut [u8], tag: [u8; TAG]) -> bool {
        use aes_gcm_010::aead::AeadInPlace as _;
        let opened = cipher.decrypt_in_place_detached(&Default::default(), &[], text, &tag.into());
        opened.is_ok()
    }
}

struct Ring;

impl Ring {
    fn nonce() -> ring::aead::Nonce {
        ring::aead::Nonce::assume_unique_for_key([0; 12])
    }
}

impl Line for Ring {
    type Cipher = ring::aead::LessSafeKey;

    fn new(key: &[u8; 32]) -> Self::Cipher {
        let key = ring::aead::UnboundKey::new(&ring::aead::AES_256_GCM, key);
        ring::aead::LessSafeKey::new(key.expect("32 bytes"))
    }

    fn encrypt(cipher: &Self::Cipher, text: &mut [u8]) -> [u8; TAG] {
        let tag = cipher.seal_in_place_separate_tag(Self::nonce(), ring::aead::Aad::empty(), text);
        let tag = tag.expect("it is short");
        tag.as_ref().try_into().expect("16 bytes")
    }

    fn decrypt(cipher: &Self::Cipher, text: &mut [u8], tag: [u8; TAG]) -> bool {
        let (nonce, aad) = (Self::nonce(), ring::aead::Aad::empty());
        let opened = cipher.open_in_place_separate_tag(nonce, aad, tag.into(), text, 0..);
        opened.is_ok()
    }
}

const KEY: [u8; 32] = [7; 32];

fn sets_up<L: Line>() -> Operation {
    operation(|| {
        black_box(L::new(black_box(&KEY)));
        true
    })
}

fn encrypts<L: Line>(size: usize) -> Operation {
    let (cipher, text) = (L::new(&KEY), RefCell::new(vec![7; FRAME + size]));
    operation(move || L::encrypt(&cipher, &mut text.borrow_mut()) != [0; TAG])
}

/// With a copy of the sealed bytes, because decrypting overwrites them.
fn decrypts<L: Line>(size: usize) -> Operation {
    let (cipher, mut sealed) = (L::new(&KEY), vec![7; FRAME + size]);
    let tag = L::encrypt(&cipher, &mut sealed);
    let text = RefCell::new(sealed.clone());
    operation(move || {
        let mut text = text.borrow_mut();
        text.copy_from_slice(&sealed);
        L::decrypt(&cipher, &mut text, tag)
    })
}

/// `Expand` of src/aead.rs over the head of a token.
fn expands() -> Operation {
    let state = <Hmac<Sha256> as KeyInit>::new_from_slice(&KEY).expect("any length");
    operation(move || {
        let mut hmac = state.clone();
        hmac.update(black_box(&[7; HEAD]));
        hmac.update(&[1]);
        hmac.finalize().into_bytes()[..] != [0; 32]
    })
}

fn encodes(size: usize) -> Operation {
    let bytes = vec![7; OVERHEAD + size];
    let text = RefCell::new(vec![0; bytes.len().div_ceil(3) * 4]);
    let engine = Simd::url_safe(NO_PAD);
    operation(move || {
        engine
            .encode_slice(black_box(&bytes), &mut text.borrow_mut()[..])
            .is_ok()
    })
}

fn decodes(size: usize) -> Operation {
    let engine = Simd::url_safe(NO_PAD);
    let text = engine.encode(vec![7; OVERHEAD + size]);
    let bytes = RefCell::new(vec![0; text.len()]);
    operation(move || {
        engine
            .decode_slice(black_box(&text), &mut bytes.borrow_mut()[..])
            .is_ok()
    })
}

fn writes(size: usize) -> Operation {
    let data = visit(size);
    operation(move || serde_json::to_vec(black_box(&data)).is_ok_and(|json| !json.is_empty()))
}

/// The lower quartiles for one size, in nanoseconds.
struct Measured {
    expand: f64,
    /// For each of [`LINES`].
    set_up: [f64; 3],
    encrypt: [f64; 3],
    decrypt: [f64; 3],
    encode: f64,
    decode: f64,
    write: f64,
    read: f64,
    random: f64,
    /// `Sessions`: a session that comes for the first time, with its activity cookie, nothing kept.
    open: f64,
    /// `Sessions`: a session cookie, without the random call.
    seal: f64,
}

impl Measured {
    fn new(size: usize, effort: Effort) -> Self {
        eprintln!("{size} bytes, floors");
        let operations = [
            expands(),
            sets_up::<AesGcm011>(),
            sets_up::<AesGcm010>(),
            sets_up::<Ring>(),
            encrypts::<AesGcm011>(size),
            encrypts::<AesGcm010>(size),
            encrypts::<Ring>(size),
            decrypts::<AesGcm011>(size),
            decrypts::<AesGcm010>(size),
            decrypts::<Ring>(size),
            encodes(size),
            decodes(size),
            writes(size),
            all::reading(size),
            all::opens_first(all::sessions_without_cache(all::OURS), size),
            all::random(),
            all::seals(all::sessions_without_idle(all::OURS), size),
        ];
        let series = interleave(operations.each_ref(), effort);
        let seal = lower_quartile(without(&series[16], &series[15]));
        let at = series.map(lower_quartile);
        Self {
            expand: at[0],
            set_up: [at[1], at[2], at[3]],
            encrypt: [at[4], at[5], at[6]],
            decrypt: [at[7], at[8], at[9]],
            encode: at[10],
            decode: at[11],
            write: at[12],
            read: at[13],
            open: at[14],
            random: at[15],
            seal,
        }
    }

    /// Key set-up and GCM with the crate of that index.
    fn opening_with(&self, line: usize) -> f64 {
        self.set_up[line] + self.decrypt[line]
    }

    fn sealing_with(&self, line: usize) -> f64 {
        self.set_up[line] + self.encrypt[line]
    }

    /// Check, key and the check of the activity token; then GCM, base64 and JSON.
    fn floor_of_open(&self) -> f64 {
        3.0 * self.expand + self.opening_with(0) + self.decode + self.read
    }

    /// Check and key; then JSON, the same read back, GCM and base64.
    fn floor_of_seal(&self) -> f64 {
        2.0 * self.expand + self.sealing_with(0) + self.write + self.read + self.encode
    }
}

/// Prints the parts and the floors. `variant` names what else than this processor the program was built for; then only
/// what depends on it is printed.
pub fn print(effort: Effort, variant: Option<&str>) {
    let measured = SIZES.map(|size| Measured::new(size, effort));
    let table = |title: &str| {
        let sizes = SIZES.map(|size| format!("{size} B")).join(" | ");
        println!("\n| {title} | {sizes} |\n|---|{}", "---|".repeat(SIZES.len()));
    };
    let row = |name: &str, read: &dyn Fn(&Measured) -> String| {
        println!("| {name} | {} |", measured.each_ref().map(read).join(" | "));
    };
    let times = |name: &str, read: &dyn Fn(&Measured) -> f64| row(name, &|it| time(read(it)));

    match variant {
        Some(variant) => println!("\n## Floors: {variant}"),
        None => println!(
            "\n## Floors\n\n\
             The primitives alone, for one token (lower quartiles, as they are added up). GCM takes the frame, which is\n\
             {FRAME} bytes longer than the payload. For comparison, `Sessions` opens sessions that come for the first time.\n\
             This processor has {}.",
            processor()
        ),
    }
    table("part");
    if variant.is_none() {
        times("HMAC, one expand", &|it| it.expand);
    }
    for (line, name) in LINES.iter().enumerate() {
        times(&format!("key set-up, {name}"), &|it| it.set_up[line]);
    }
    for (line, name) in LINES.iter().enumerate() {
        times(&format!("encrypt, {name}"), &|it| it.encrypt[line]);
    }
    for (line, name) in LINES.iter().enumerate() {
        times(&format!("decrypt, {name}"), &|it| it.decrypt[line]);
    }
    if variant.is_none() {
        times("base64url: write", &|it| it.encode);
        times("base64url: read", &|it| it.decode);
        times("JSON: write", &|it| it.write);
        times("JSON: read", &|it| it.read);
        times("random call, 20 bytes", &|it| it.random);
        println!(
            "\n\
             - The floor of an open: three expands (check, key, check of the activity token), key set-up, GCM, base64url, JSON.\n\
             - The floor of a seal: two expands, key set-up, GCM, base64url, JSON, and reading it back.\n\
             - *The way around*: headers, cookies, times, versions, allocations, clearing, and waiting for memory.\n\
             - *With* another crate: computed from the parts, with the change of the whole in brackets."
        );
    }

    table("whole");
    let changed = |whole: f64, with: f64| format!("{} ({:+.1} %)", time(with), (with / whole - 1.0) * 100.0);
    times("open, `opened_cache(0)`", &|it| it.open);
    times("its floor", &Measured::floor_of_open);
    times("the way around", &|it| it.open - it.floor_of_open());
    for (line, name) in LINES.iter().enumerate().skip(1) {
        row(&format!("open, with {name}"), &|it| {
            changed(it.open, it.open - it.opening_with(0) + it.opening_with(line))
        });
    }
    times("seal, without the random call", &|it| it.seal);
    times("its floor", &Measured::floor_of_seal);
    times("the way around", &|it| it.seal - it.floor_of_seal());
    for (line, name) in LINES.iter().enumerate().skip(1) {
        row(&format!("seal, with {name}"), &|it| {
            changed(it.seal, it.seal - it.sealing_with(0) + it.sealing_with(line))
        });
    }
}

/// What there is for AES, as the processor says, not as a program that was built for an older one uses it.
fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    let found = [
        ("AES-NI", is_x86_feature_detected!("aes")),
        ("SHA", is_x86_feature_detected!("sha")),
        ("VAES", is_x86_feature_detected!("vaes")),
        ("AVX-512", is_x86_feature_detected!("avx512f")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let found: [(&str, bool); 1] = [(std::env::consts::ARCH, true)];
    let names = found.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| *name);
    names.collect::<Vec<_>>().join(", ")
}
