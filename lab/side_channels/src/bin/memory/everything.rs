//! Everything that the crate does with secrets and session data, and then all of it is dropped.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use sealed_session::edge::{Checker, EdgeRights};
use sealed_session::{Key, KeyRing, RequestFields, Sealer, Sessions};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::needles::{self, SEALED};
use crate::search::{Found, STACK, Searched};
use crate::{Outcome, SECRET, random_word};

const WORD: usize = 64;
/// How often the word is in the session data.
const WORDS: usize = 24;

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

pub(crate) fn work(keep: bool) -> Outcome<()> {
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
    // Until the input ends.
    input.read_to_end(&mut Vec::new())?;
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

pub(crate) fn search() -> Outcome<()> {
    println!("control: everything is kept");
    let control = look_into("keep")?;
    report(&control);
    for name in [
        "secret",
        "state of the root",
        "state of a day's keys",
        "session data",
        SEALED,
    ] {
        if !control.keys().any(|(found, _)| found == name) {
            return Err(format!("the control did not find what was kept: {name}").into());
        }
    }
    println!("\neverything is dropped");
    let left = look_into("drop")?;
    report(&left);
    let is_left = |(name, region): &(String, String)| region != STACK && name != SEALED;
    if left.keys().any(is_left) {
        return Err("something is left outside the stack".into());
    }
    Ok(())
}

fn report(found: &Found) {
    for ((name, region), count) in found {
        println!("  {name:<34} {count:>4} times on the {region}");
    }
    if found.is_empty() {
        println!("  nothing found");
    }
}

fn look_into(mode: &str) -> Outcome<Found> {
    let mut secret = [0; SECRET];
    fastrand::Rng::new().fill(&mut secret);
    let word = random_word(WORD);
    let mut searched = Searched::start(mode)?;
    searched.send(&secret)?;
    searched.send(word.as_bytes())?;
    let lines = searched.lines_until_ready()?;
    let cookies = lines.lines().next().ok_or("no cookies")?;
    let found = searched.find(&needles::of_everything(&secret, &word, cookies)?)?;
    searched.end()?;
    Ok(found)
}
