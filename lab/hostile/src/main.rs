//! Writes `Cookie` header values of one kind, one per line, for a server whose ring is in a file:
//!
//! ```text
//! hostile RING COOKIE-NAME AUDIENCE KIND COUNT
//! ```
//!
//! - `garbage`: not a token, 1 to 400 characters
//! - `flipped`: a live session with one bit flipped, anywhere
//! - `unknown-key`: a live session under a secret that the server does not have
//! - `expired`: in turns, sessions after the absolute timeout, and sessions after the idle timeout alone
//! - `duplicates`: eight cookies of the name with genuine heads and altered bodies: the most work that one request can cause
//! - `oversize`: a cookie of 8,000 characters, which no browser keeps

use std::env;
use std::error::Error;
use std::io::{self, BufWriter, Write};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealed_session::{Key, KeyRing, Sessions};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Bytes before a token's body.
const BODY: usize = 45;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [ring, name, audience, kind, count] = &arguments[..] else {
        return Err("hostile RING COOKIE-NAME AUDIENCE KIND COUNT".into());
    };
    let ours = Forger::new(KeyRing::from_file(ring)?, name, audience)?;
    let foreign = Forger::new(KeyRing::new(Key::generate()?), name, audience)?;
    let mut out = BufWriter::new(io::stdout().lock());
    for index in 0..count.parse()? {
        let line = match kind.as_str() {
            "garbage" => format!("{name}={}; {name}-seen={}", garbage(below(400)? + 1)?, garbage(44)?),
            "flipped" => ours.damaged(0)?,
            "unknown-key" => foreign.session(Duration::ZERO)?,
            "expired" if index % 2 == 0 => ours.session(Duration::hours(13))?,
            "expired" => ours.session(Duration::hours(1))?,
            "duplicates" => (0..8)
                .map(|_| ours.damaged(BODY))
                .collect::<Result<Vec<_>>>()?
                .join("; "),
            "oversize" => format!("{name}={}", garbage(8000)?),
            _ => return Err(format!("there is no kind `{kind}`").into()),
        };
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

struct Forger {
    sessions: Sessions<Value>,
}

impl Forger {
    fn new(ring: KeyRing, name: &str, audience: &str) -> Result<Self> {
        let builder = Sessions::builder(ring).audience(audience);
        let sessions = builder.insecure_development_cookie(name).build()?;
        Ok(Self { sessions })
    }

    /// Both cookies of a session that started this long ago and has not been used since.
    fn session(&self, age: Duration) -> Result<String> {
        let data = json!({ "name": "mallory", "basket": {} });
        Ok(self.sessions.cookie_for_at(data, OffsetDateTime::now_utc() - age)?)
    }

    /// A live session with one bit flipped in its token, at this byte or a later one.
    fn damaged(&self, from: usize) -> Result<String> {
        let cookies = self.session(Duration::ZERO)?;
        let (session, activity) = cookies.split_once("; ").ok_or("two cookies")?;
        let (name, token) = session.split_once('=').ok_or("name and value")?;
        let mut bytes = URL_SAFE_NO_PAD.decode(token)?;
        let at = from + below(bytes.len() - from)?;
        bytes[at] ^= 1 << below(8)?;
        Ok(format!("{name}={}; {activity}", URL_SAFE_NO_PAD.encode(bytes)))
    }
}

fn garbage(length: usize) -> Result<String> {
    (0..length).map(|_| Ok(char::from(ALPHABET[below(64)?]))).collect()
}

/// A random number below this one; its small bias does not matter here.
fn below(bound: usize) -> Result<usize> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(u32::from_le_bytes(bytes) as usize % bound)
}
