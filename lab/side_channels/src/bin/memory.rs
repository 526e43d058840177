//! Which of its secrets does a process still hold after it has dropped everything?
//!
//! This program starts itself a second time. The second process makes a ring of a given secret, seals, opens and changes
//! sessions and values, drops all of it and waits. The first one derives the same keys and looks for them in the other's
//! memory, through `/proc`. As a control it repeats this with a process that keeps its ring and its data: these must be
//! found. Linux only.
//!
//! It fails if the control finds nothing, or if anything is left on the heap. Copies on the stack are reported only: a
//! compiler copies a value there wherever it is moved, and such a copy has no owner that could clear it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hkdf::hmac::{Hmac, KeyInit, Mac};
use sealed_session::edge::{Checker, EdgeRights};
use sealed_session::{Key, KeyRing, RequestFields, Sealer, Sessions};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};
use sha2::Sha256;
use time::OffsetDateTime;
use zeroize::Zeroizing;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The place of the tokens: the crate's default name and no audience.
const NAME: &str = "__Host-id";
const SECRET: usize = 32;
const WORD: usize = 64;
/// How often the word is in the session data.
const WORDS: usize = 24;

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        None => search(),
        Some("drop") => work(false),
        Some("keep") => work(true),
        Some(_) => Err("usage: memory".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

// ---- the process that is searched

/// Session data that clears itself, so that a copy that is found was left by the crate.
#[derive(Serialize, Deserialize)]
struct Data {
    #[serde(serialize_with = "scattered")]
    words: Vec<Zeroizing<String>>,
}

/// Allocates memory all the time, so that the serialiser's buffer has no room to grow in place.
fn scattered<S: Serializer>(words: &[Zeroizing<String>], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(words.len()))?;
    for word in words {
        list.serialize_element(word)?;
        vec![0u8; 3 * WORD].leak();
    }
    list.end()
}

fn work(keep: bool) -> Outcome<()> {
    // Unbuffered: a buffer of the standard library would keep a copy.
    let mut input = File::open("/dev/stdin")?;
    // On the heap, since an array leaves a copy on the stack wherever it is moved.
    let mut secret = Zeroizing::new(vec![0; SECRET]);
    input.read_exact(&mut secret)?;
    let mut word = Zeroizing::new(vec![0; WORD]);
    input.read_exact(&mut word)?;

    let now = OffsetDateTime::now_utc();
    let kept = use_everything(&secret, &word, now)?;
    drop((secret, word));
    let kept = keep.then_some(kept);
    // Other work, as a server would do after this.
    println!("ready");
    input.read_exact(&mut [0])?;
    drop(kept);
    Ok(())
}

/// Every way that secrets and session data take through the crate. The returned value holds all of it.
fn use_everything(secret: &[u8], word: &[u8], now: OffsetDateTime) -> Outcome<impl Sized + use<>> {
    let key = Key::from_raw_secret(secret)?;
    let written = key.write_with_secret();
    let ring: KeyRing = KeyRing::new(key);
    let text = ring.write_with_secrets();
    let again = KeyRing::parse(text.expose())?;
    let sessions = Sessions::<Data>::builder(ring).build()?;
    let word = || -> Outcome<_> { Ok(Zeroizing::new(std::str::from_utf8(word)?.to_owned())) };
    // Far more than the 128 bytes with which serde_json begins: its buffer has to grow again and again.
    let data = Data {
        words: vec![word()?; WORDS],
    };
    let cookies = sessions.cookie_for_at(data, now)?;
    println!("{cookies}");
    let mut session = sessions.load_at(RequestFields::from_cookies([cookies.clone()]), now);
    let opened = session.get().is_some_and(|data| data.words.len() == WORDS);
    session.update(|data| data.words.truncate(WORDS - 1))?.option();
    session.cycle_id()?;
    let patch = session.finish_patch(200);
    let edge = sessions.edge_keys_at(1, EdgeRights::Open, now);
    let checker = Checker::from_edge_keys(edge.expose())?;
    let links = Sealer::new(again, "memory")?;
    let link = links.seal_at(word()?.as_bytes(), Duration::from_secs(3600), now)?;
    let value = links.open_at(&link, b"", now)?;
    let wrong = sessions.load_at(RequestFields::from_cookies([cookies.replace(';', "A;")]), now);
    if !opened || value.payload() != word()?.as_bytes() || wrong.get().is_some() {
        return Err("what was sealed did not open".into());
    }
    drop((wrong, patch));
    Ok((sessions, session, checker, links, value, written, text, edge))
}

// ---- the process that searches

/// Sixteen bytes: half of a key, as one vector register takes them to the stack.
const PIECE: usize = 16;

struct Needle {
    name: &'static str,
    piece: [u8; PIECE],
}

fn search() -> Outcome<()> {
    println!("control: everything is kept");
    let control = look_into("keep")?;
    report(&control);
    for name in ["secret", "state of the root", "state of a day's keys", "session data"] {
        if !control.keys().any(|&(found, _)| found == name) {
            return Err(format!("the control did not find what was kept: {name}").into());
        }
    }
    println!("\neverything is dropped");
    let left = look_into("drop")?;
    report(&left);
    if left.keys().any(|(_, region)| region != "stack") {
        return Err("something is left outside the stack".into());
    }
    Ok(())
}

/// How often each needle was found in each kind of memory.
type Found = BTreeMap<(&'static str, String), usize>;

fn report(found: &Found) {
    for ((name, region), count) in found {
        println!("  {name:<34} {count:>4} times on the {region}");
    }
    if found.is_empty() {
        println!("  nothing found");
    }
}

fn look_into(mode: &str) -> Outcome<Found> {
    let mut rng = fastrand::Rng::new();
    let mut secret = [0; SECRET];
    rng.fill(&mut secret);
    let word: String = std::iter::repeat_with(|| rng.alphanumeric()).take(WORD).collect();
    let mut child = Command::new(std::env::current_exe()?)
        .arg(mode)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let result = (|| {
        let mut input = child.stdin.take().ok_or("no input")?;
        input.write_all(&secret)?;
        input.write_all(word.as_bytes())?;
        let cookies = lines_until_ready(&mut child)?;
        let found = find(&child, &needles(&secret, &word, &cookies)?)?;
        input.write_all(b"\n")?;
        Ok(found)
    })();
    if result.is_err() {
        _ = child.kill();
    }
    let status = child.wait()?;
    if result.is_ok() && !status.success() {
        return Err("the process that was searched failed".into());
    }
    result
}

fn lines_until_ready(child: &mut Child) -> Outcome<String> {
    let output = child.stdout.as_mut().ok_or("no output")?;
    let mut text = Vec::new();
    while !text.ends_with(b"ready\n") {
        let mut byte = [0];
        output.read_exact(&mut byte)?;
        text.push(byte[0]);
    }
    Ok(String::from_utf8(text)?)
}

/// The bytes that must not be found, derived by SPEC.md a second time.
fn needles(secret: &[u8; SECRET], word: &str, cookies: &str) -> Outcome<Vec<Needle>> {
    let token = cookies
        .strip_prefix(NAME)
        .and_then(|rest| rest.strip_prefix('='))
        .and_then(|rest| rest.split(';').next())
        .ok_or("no session cookie")?;
    let head = URL_SAFE_NO_PAD.decode(token)?[..29].to_vec();
    let expires = u32::from_be_bytes(head[5..9].try_into()?);
    let day = (expires / 86_400).to_be_bytes();

    let root = Hkdf::<Sha256>::extract(Some(b"sealed-session/v1"), secret).0;
    let mut needles = Vec::new();
    let mut add = |name: &'static str, bytes: &[u8]| {
        for piece in bytes.as_chunks::<PIECE>().0 {
            needles.push(Needle { name, piece: *piece });
        }
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    add("secret", secret);
    add("secret, written", hex(secret).as_bytes());
    add("root", &root);
    states(&root).iter().for_each(|state| add("state of the root", state));
    for name in [NAME, "__Host-id-seen", "/memory"] {
        let place = [&[u8::try_from(name.len())?], name.as_bytes(), &[0]].concat();
        for label in [&b"check key"[..], b"seal key"] {
            let key = expand(&root, &[label, &day, &place]);
            add("a day's keys", &key);
            add("a day's keys, written", hex(&key).as_bytes());
            states(&key)
                .iter()
                .for_each(|state| add("state of a day's keys", state));
            if name == NAME && label == b"seal key" {
                add("key of a token", &expand(&key, &[&head]));
            }
        }
    }
    add("session data", word.as_bytes());
    Ok(needles)
}

/// HKDF-Expand of 32 bytes is one HMAC.
fn expand(key: &[u8], info: &[&[u8]]) -> [u8; 32] {
    let mut hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    info.iter().for_each(|part| hmac.update(part));
    hmac.update(&[1]);
    hmac.finalize().into_bytes().into()
}

/// The two states that an HMAC key becomes (RFC 2104), as eight words each: as good as the key.
fn states(key: &[u8]) -> [[u8; 32]; 2] {
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    [0x36, 0x5c].map(|pad| {
        let mut block = [pad; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        let mut state = INITIAL;
        sha2::block_api::compress256(&mut state, &[block]);
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(state) {
            chunk.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    })
}

/// Searches every readable region of the process.
fn find(child: &Child, needles: &[Needle]) -> Outcome<Found> {
    let process = format!("/proc/{}", child.id());
    let mut memory = File::open(format!("{process}/mem"))?;
    let mut by_first: Vec<Vec<&Needle>> = (0..=255).map(|_| Vec::new()).collect();
    for needle in needles {
        by_first[usize::from(needle.piece[0])].push(needle);
    }
    let (mut found, mut searched) = (Found::new(), 0);
    for line in fs::read_to_string(format!("{process}/maps"))?.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(range), Some(rights)) = (fields.next(), fields.next()) else {
            continue;
        };
        let name = fields.nth(3).unwrap_or("anonymous memory");
        // Regions that are not writable are the program itself; the kernel's pages cannot be read.
        if !rights.starts_with("rw") || name.starts_with("[v") {
            continue;
        }
        let (start, end) = range.split_once('-').ok_or("no range")?;
        let (start, end) = (u64::from_str_radix(start, 16)?, u64::from_str_radix(end, 16)?);
        let mut bytes = vec![0; usize::try_from(end - start)?];
        memory.seek(SeekFrom::Start(start))?;
        memory.read_exact(&mut bytes)?;
        searched += bytes.len();
        let region = match name {
            "[heap]" => "heap".to_owned(),
            "[stack]" => "stack".to_owned(),
            other => other.to_owned(),
        };
        for window in bytes.windows(PIECE) {
            for needle in &by_first[usize::from(window[0])] {
                if needle.piece == *window {
                    *found.entry((needle.name, region.clone())).or_default() += 1;
                }
            }
        }
    }
    println!(
        "  {} KiB of memory searched for {} pieces of 16 bytes",
        searched / 1024,
        needles.len()
    );
    if searched == 0 {
        return Err("no memory could be read".into());
    }
    Ok(found)
}
