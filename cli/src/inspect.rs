//! `inspect`: what a token claims, which of it is true, and why the token is refused.

use std::path::PathBuf;

use clap::Args;
use sealed_session::edge::Claims;
use sealed_session::{KeyRing, SessionId, SessionState};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::answer::{Answer, Failure};
use crate::files;
use crate::header::{Header, Place, Token};
use crate::instants::written;
use crate::judge::Judge;
use crate::ring_text::RingText;
use crate::settings::Settings;
use crate::values::{self, relative, unix};

/// Show what a token or a Cookie header on standard input says, and why it is refused.
///
/// Takes a bare token, the value of a Cookie header, or whole `Cookie:` lines. Without a ring it shows the claims of
/// the tokens: version, key id, expiry and session id. It verifies none of them. With the ring and the application's
/// settings it also shows the answers of a server: the check, start, flags, and the precise reason of a refusal. The
/// output never repeats a token.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sealed-session inspect < cookie.txt
  sealed-session inspect --ring ring.txt --audience shop-production < cookie.txt
  sealed-session inspect --ring ring.txt --audience shop-production --payload --json < cookie.txt")]
pub(crate) struct Inspect {
    /// The ring file: judge as a server with this ring
    #[arg(long, value_name = "FILE")]
    ring: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// Show the session data too, which is personal data of a visitor
    #[arg(long, requires = "ring")]
    payload: bool,
    /// The cut-off: sessions that started before it are revoked
    #[arg(long, value_name = "TIME", requires = "ring", value_parser = values::instant)]
    cut_off: Option<OffsetDateTime>,
    /// The id of a revoked session; may be given several times
    #[arg(long, value_name = "ID", requires = "ring")]
    revoked: Vec<SessionId>,
    /// A file with the bytes that the application binds sessions to (`RequestFields::with_bind`)
    #[arg(long, value_name = "FILE", requires = "ring")]
    bind_file: Option<PathBuf>,
}

impl Inspect {
    pub(crate) fn run(self, now: OffsetDateTime) -> Result<Answer, Failure> {
        let input = files::read_stdin()?;
        let header = Header::parse(&input, &self.settings.name, &self.settings.activity_name());
        if header.tokens.is_empty() {
            return Ok(self.nothing(&header, now));
        }
        let ring = self.ring.as_deref().map(files::read_ring).transpose()?;
        let judge = ring.as_ref().map(|ring| self.judge(ring, &header, now)).transpose()?;
        let mut human = Vec::new();
        let mut tokens = Vec::new();
        for token in &header.tokens {
            let mut facts = claims(token, ring.as_ref().map(|ring| &**ring.ring()), now);
            if let Some(judge) = &judge {
                judge.facts(token, self.payload, &mut facts)?;
            }
            human.push(shown(token, &facts, now));
            tokens.push(Value::Object(facts));
        }
        let mut machine = json!({ "at": written(now), "tokens": tokens });
        let Some(judge) = judge else {
            let any = header.tokens.iter().any(|token| token.claims.is_ok());
            human.push("These are claims: without --ring nothing is verified.".into());
            machine["ok"] = any.into();
            return Ok(Answer::new(any, human.join("\n"), machine));
        };
        let (yes, verdict, json) = if header.is_bare && header.at(Place::Session).next().is_none() {
            let what = "an activity token says nothing without its session token; give the whole Cookie header";
            (false, what.to_owned(), json!({ "state": "not judged", "text": what }))
        } else {
            verdict(judge.verdict()?, header.is_bare)
        };
        human.push(format!("As of {}: {verdict}.", written(now)));
        machine["ok"] = yes.into();
        machine["verdict"] = json;
        Ok(Answer::new(yes, human.join("\n"), machine))
    }

    fn judge<'a>(&'a self, ring: &'a RingText, header: &'a Header, now: OffsetDateTime) -> Result<Judge<'a>, Failure> {
        let bind = match &self.bind_file {
            Some(path) => files::read_bytes(path, files::LARGEST as u64)?,
            None => Zeroizing::default(),
        };
        Ok(Judge {
            ring,
            header,
            now,
            bind,
            settings: &self.settings,
            cut_off: self.cut_off,
            revoked: &self.revoked,
        })
    }

    fn nothing(&self, header: &Header, now: OffsetDateTime) -> Answer {
        let name = &self.settings.name;
        let human = match &header.names[..] {
            [] => "standard input holds no token and no cookie".to_owned(),
            names => format!(
                "no cookie has the name {name} or is a token; --name takes another name. Cookies: {}",
                names.join(", ")
            ),
        };
        let machine = json!({ "ok": false, "at": written(now), "tokens": [], "cookies": header.names });
        Answer::new(false, human, machine)
    }
}

/// The claims of a token.
fn claims(token: &Token, ring: Option<&KeyRing>, now: OffsetDateTime) -> Map<String, Value> {
    let mut facts = Map::new();
    let mut set = |field: &str, value: Value| facts.insert(field.into(), value);
    set("cookie", token.name.as_str().into());
    match token.claims {
        Err(reason) => {
            set("error", reason.name().into());
        }
        Ok(Claims {
            is_activity,
            version,
            key_id,
            expires,
            session_id,
            chunks,
            ..
        }) => {
            let expires = unix(expires.into());
            set("kind", if is_activity { "activity" } else { "session" }.into());
            set("version", version.into());
            set("key_id", key_id.to_string().into());
            set("expires", written(expires).into());
            set("expired", (expires <= now).into());
            set("session_id", session_id.to_string().into());
            if let Some(ring) = ring {
                set("key_in_ring", ring.describe().iter().any(|key| key.id == key_id).into());
            }
            if chunks > 1 {
                set("cookies", chunks.into());
            } else if !is_activity {
                // 4 characters are 3 bytes. 70 of the bytes are not session data.
                set("payload_bytes", (token.value.len() * 3 / 4 - 70).into());
            }
        }
    }
    facts
}

/// A server's answer to the whole header.
fn verdict(state: SessionState, is_bare: bool) -> (bool, String, Value) {
    let bare = if is_bare {
        " (a bare token, so without the idle timeout)"
    } else {
        ""
    };
    match state {
        SessionState::Valid => (true, format!("the session is valid{bare}"), json!({ "state": "valid" })),
        SessionState::Rejected(reason) => {
            let json = json!({ "state": "refused", "reason": reason.name(), "text": reason.to_string(), "is_claim": reason.is_claim() });
            (false, format!("refused, {}: {reason}", reason.name()), json)
        }
        _ => (
            false,
            "no session: none of these cookies has the session cookie's name".into(),
            json!({ "state": "absent" }),
        ),
    }
}

/// The facts in the order in which people read them.
const ORDER: [&str; 14] = [
    "error",
    "kind",
    "version",
    "key_id",
    "key_in_ring",
    "session_id",
    "expires",
    "cookies",
    "payload_bytes",
    "check",
    "started",
    "flags",
    "payload",
    "refused",
];

/// A token's facts for people.
fn shown(token: &Token, facts: &Map<String, Value>, now: OffsetDateTime) -> String {
    let mut lines = vec![format!("{}:", token.name)];
    for (field, value) in ORDER.iter().filter_map(|field| Some((*field, facts.get(*field)?))) {
        let value = match (field, value.as_str()) {
            ("expires" | "started", Some(instant)) => {
                let relative = values::instant(instant).map(|instant| relative(instant, now));
                format!("{instant} ({})", relative.unwrap_or_default())
            }
            ("payload", _) => value.to_string(),
            (_, Some(text)) => text.to_owned(),
            _ => value.to_string(),
        };
        lines.push(format!("  {:14} {value}", field.replace('_', " ")));
    }
    lines.join("\n") + "\n"
}
