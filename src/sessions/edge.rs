//! Delegation to an edge: the keys of single days as JSON, and a checker that needs only those keys.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;
use time::OffsetDateTime;
use zeroize::{Zeroize, Zeroizing};

use crate::aead::Prk;
use crate::error::{ConfigError, Reason};
use crate::headers::RequestFields;
use crate::headers::cookie;
use crate::ids::{KeyId, SessionId, parse_hex};
use crate::keys::day_keys::LAST_DAY;
use crate::keys::key::{SecretText, push_hex};
use crate::session::SessionData;
use crate::session::lifetime::Timeouts;
use crate::sessions::Sessions;
use crate::time::{DAY, from_seconds, to_seconds};
use crate::token;
pub use crate::token::Claims;
use crate::token::envelope::LONGEST_ACTIVITY;

/// The rights that day keys give to an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeRights {
    /// Check that a key holder made a head, and that it has not expired. It reads no session. With
    /// [device binding](crate::Builder#method.device_binding) this is about the session cookie alone, not about activity.
    Check,
    /// The same for the activity cookie too, with device binding. **The holder can unbind sessions from their
    /// devices**, and use those whose cookies are stolen as well. Without device binding it is [`Check`](Self::Check).
    CheckActivity,
    /// Open sessions, and make tokens that expire on those days.
    Open,
}

impl<T: SessionData> Sessions<T> {
    /// The keys of the current UTC day and the `days` after it under every secret of the ring, as JSON for an edge that
    /// holds no secret.
    ///
    /// A token needs the keys of the day on which it expires. So give as many days as the longest absolute timeout has,
    /// and those until the edge gets the next keys. The text has the timeouts too, so that the edge applies the same
    /// ones.
    ///
    /// With device binding, only [`EdgeRights::Open`] and [`EdgeRights::CheckActivity`] give the keys of the activity
    /// cookie, and no edge gets those of device keys and challenges.
    ///
    /// With [`EdgeRights::Check`] the holder can make heads that other check-only readers accept, never a session.
    /// With [`EdgeRights::Open`] it can make sessions that expire on those days: treat the text like a secret.
    ///
    /// ```
    /// use sealed_session::edge::EdgeRights;
    /// # use sealed_session::{Key, KeyRing, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let text = sessions.edge_keys(1, EdgeRights::Check);
    /// let json: serde_json::Value = serde_json::from_str(text.expose())?;
    /// assert_eq!(json["keys"].as_array().map(Vec::len), Some(2)); // of today and of tomorrow
    /// assert!(json["keys"][0]["session"]["check"].is_string());
    /// assert!(json["keys"][0]["session"]["seal"].is_null()); // only with `EdgeRights::Open`
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn edge_keys(&self, days: u32, rights: EdgeRights) -> SecretText {
        self.edge_keys_at(days, rights, from_seconds(self.now()))
    }

    /// The keys of the UTC day of `now` and the `days` after it, otherwise as [`edge_keys`](Self::edge_keys).
    ///
    /// ```
    /// use sealed_session::edge::EdgeRights;
    /// use time::OffsetDateTime;
    /// # use sealed_session::{Key, KeyRing, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let day_100 = OffsetDateTime::from_unix_timestamp(100 * 86_400)?;
    /// let text = sessions.edge_keys_at(0, EdgeRights::Check, day_100);
    /// assert!(text.expose().contains("\"day\":100,"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn edge_keys_at(&self, days: u32, rights: EdgeRights, now: OffsetDateTime) -> SecretText {
        let config = self.config();
        let keys = self.keys();
        let first = u32::try_from(to_seconds(now) / DAY).unwrap_or(u32::MAX);
        let days = first..=first.saturating_add(days).min(LAST_DAY);
        let keys_of = |day| keys.session.export_day(day).zip(keys.activity.export_day(day));
        let count = days.clone().map(|day| keys_of(day).count()).sum::<usize>();
        // Room for all of it: a text that grows leaves copies of the keys in memory.
        let mut text = String::with_capacity(count * ENTRY + 2 * config.audience.len() * 6 + 1024);
        let timeouts = |Timeouts { idle, absolute }| format!(r#""idle":{},"absolute":{absolute}"#, Value::from(idle));
        let remembered = config.lifetimes.remembered.map(timeouts);
        text.push_str(&format!(
            r#"{{"format":"{FORMAT}","name":{},"audience":{},"rights":"{}",{},"remembered":{}"#,
            Value::from(&*config.name),
            Value::from(&*config.audience),
            if rights == EdgeRights::Open { "open" } else { "check" },
            timeouts(config.lifetimes.ordinary),
            remembered.map_or("null".to_owned(), |timeouts| format!("{{{timeouts}}}")),
        ));
        #[cfg(feature = "device")]
        if let Some(device) = &config.device {
            text.push_str(&format!(r#","device":{{"proof":{}}}"#, device.proof_lifetime));
        }
        if rights == EdgeRights::Open {
            let sealing = keys.session.sealing_from().into_iter();
            let entries: Vec<_> = sealing
                .map(|(id, from)| format!(r#"{{"key_id":"{id}","from":{from}}}"#))
                .collect();
            text.push_str(&format!(r#","sealing":[{}]"#, entries.join(",")));
        }
        text.push_str(r#","keys":["#);
        let each = days.flat_map(|day| keys_of(day).map(move |keys| (day, keys)));
        for (index, (day, (session, activity))) in each.enumerate() {
            text.push_str(if index > 0 { "," } else { "" });
            text.push_str(&format!(
                r#"{{"key_id":"{}","day":{day},"session":{{"check":""#,
                session.0
            ));
            push_hex(&mut text, &*session.1.check);
            if rights == EdgeRights::Open {
                text.push_str(r#"","seal":""#);
                push_hex(&mut text, &*session.1.seal);
            }
            text.push_str(r#""}"#);
            if config.has_activity() && (rights != EdgeRights::Check || !config.has_device_binding()) {
                text.push_str(r#","activity":{"check":""#);
                push_hex(&mut text, &*activity.1.check);
                text.push_str(r#""}"#);
            }
            #[cfg(feature = "device")]
            if rights == EdgeRights::Open
                && let Some(device) = &keys.device
                && let Some((_, proof)) = device.proof.export_day(day).find(|(id, _)| *id == session.0)
            {
                text.push_str(r#","proof":{"check":""#);
                push_hex(&mut text, &*proof.check);
                text.push_str(r#""}"#);
            }
            text.push('}');
        }
        text.push_str("]}");
        SecretText::new(text)
    }
}

/// Checks the heads of session and activity tokens with the check keys of single days: it holds no secret and reads no
/// session.
///
/// Use it to drop dead requests and to route, **never to grant**: it checks neither the body nor the start, the cut-off
/// or the absolute timeout, and every holder of the same check keys can make heads that it accepts. Only opening proves
/// a session.
///
/// ```
/// use sealed_session::edge::{Checker, EdgeRights};
/// use sealed_session::{Key, KeyRing, RequestFields, Sessions};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Login { user: u64 }
/// use time::OffsetDateTime;
///
/// let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
/// let keys = sessions.edge_keys(1, EdgeRights::Check);
///
/// // On the edge:
/// let checker = Checker::from_edge_keys(keys.expose())?;
/// let now = OffsetDateTime::now_utc();
/// let cookie = sessions.cookie_for_at(Login { user: 7 }, now)?;
/// assert!(checker.check_at(&RequestFields::from_cookies([cookie]), now).is_ok());
/// assert!(checker.check_at(&RequestFields::from_cookies(["__Host-id=AZ5I"]), now).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Checker {
    name: String,
    activity_name: String,
    needs_activity: bool,
    device_binding: bool,
    keys: HashMap<(KeyId, u32), CheckKeys>,
}

struct CheckKeys {
    session: Prk,
    /// Absent where no session has an idle timeout.
    activity: Option<Prk>,
}

/// The head of a session token that a key holder made and that has not expired. No proof of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// The session: look it up in a shipped list of revoked ids.
    pub id: SessionId,
    /// When the session ends at the latest.
    pub expires: OffsetDateTime,
    /// When it ends without further activity; `None` if activity is not asked for. A holder of check keys can set it to
    /// any time of a day whose keys were given: no idle timeout is applied here.
    pub active_until: Option<OffsetDateTime>,
}

impl Checker {
    /// A checker with the keys that [`Sessions::edge_keys`] wrote, with any rights. It asks for an activity cookie,
    /// unless ordinary or remembered sessions have no idle timeout according to that text: a check cannot see which
    /// kind a session is. Nor does it ask if the text has device binding and not the keys for that cookie.
    ///
    /// # Errors
    /// [`ConfigError`] if the text is not such JSON, names no key, or one twice for the same day.
    pub fn from_edge_keys(json: &str) -> Result<Self, ConfigError> {
        let parsed = Parsed(serde_json::from_str(json).map_err(|_| refused("is not JSON"))?);
        let parsed = &parsed.0;
        if parsed["format"] != FORMAT {
            return Err(refused("is not of the format that `edge_keys` writes"));
        }
        let name = parsed["name"].as_str().filter(|name| cookie::is_token(name));
        let name = name.ok_or_else(|| refused("names no cookie"))?;
        let entries = parsed["keys"].as_array().filter(|keys| !keys.is_empty());
        let entries = entries.ok_or_else(|| refused("has no keys"))?;
        // Room for all of them: a map that grows leaves copies of the keys in memory.
        let mut keys = HashMap::with_capacity(entries.len());
        for entry in entries {
            let (slot, check) = parse_entry(entry).ok_or_else(|| refused("has a key that cannot be read"))?;
            if keys.insert(slot, check).is_some() {
                return Err(refused("has one key twice for the same day"));
            }
        }
        let activity_name = format!("{name}-seen");
        let device_binding = parsed.get("device").is_some();
        let lacks_keys = device_binding && keys.values().all(|keys| keys.activity.is_none());
        Ok(Self {
            name: name.to_owned(),
            activity_name,
            needs_activity: !lacks_idle(parsed) && !lacks_idle(&parsed["remembered"]) && !lacks_keys,
            device_binding,
            keys,
        })
    }

    /// Asks for no activity cookie, whatever timeouts came with the keys: for applications that are about to turn the
    /// idle timeout off.
    #[must_use]
    pub fn without_activity(mut self) -> Self {
        self.needs_activity = false;
        self
    }

    /// Checks the heads of a request's cookies: spelling, version, expiry, and that a key holder made them; of the
    /// activity token also that it belongs to the same session. Of several session tokens the first that passes counts.
    ///
    /// # Errors
    /// The [`Reason`] of the token that got furthest; [`Reason::UnknownKey`] also for a day whose keys were not given,
    /// [`Reason::Malformed`] if the request has no cookie of ours.
    pub fn check_at(&self, fields: &RequestFields, now: OffsetDateTime) -> Result<Checked, Reason> {
        let now = to_seconds(now);
        let longest = cookie::LARGEST.saturating_sub(self.name.len());
        let session_key = |id, day| self.keys.get(&(id, day)).map(|keys| &keys.session);
        let mut furthest = Reason::Malformed;
        let mut verified = 0;
        for value in fields.cookies(&self.name) {
            // Of a session in several cookies this is the first, which is enough for a check.
            let kind = token::session_kind(value);
            let head = token::check_head(value, kind, longest, fields.bind(), now, session_key);
            // A token that is refused before any cryptography does not count towards the limit.
            verified += u32::from(!head.is_err_and(Reason::is_claim));
            let active_until = head
                .ok()
                .and_then(|head| self.active_until(head.session_id, fields, now));
            match head {
                Ok(head) if active_until.is_some() || !self.needs_activity => {
                    let expires = from_seconds(head.expires.into());
                    return Ok(Checked {
                        id: head.session_id,
                        expires,
                        active_until,
                    });
                }
                Ok(_) => furthest = furthest.max(Reason::Idle),
                Err(reason) => furthest = furthest.max(reason),
            }
            if verified == MOST_CHECKED {
                break;
            }
        }
        Err(furthest)
    }

    fn active_until(&self, id: SessionId, fields: &RequestFields, now: u64) -> Option<OffsetDateTime> {
        if !self.needs_activity {
            return None;
        }
        let kind = |text: &[u8]| token::activity_kind(text, self.device_binding);
        let claimed = |text| token::claimed_head(text, kind(text));
        let check = |text, activity_key| {
            token::check_head(text, kind(text), LONGEST_ACTIVITY, fields.bind(), now, activity_key)
        };
        let activity_key = |id, day| self.keys.get(&(id, day)).and_then(|keys| keys.activity.as_ref());
        fields
            .cookies(&self.activity_name)
            // As on a server: tokens that claim to be of another session are skipped, or eight of them would hide the
            // right one.
            .filter(|value| claimed(value).is_ok_and(|head| head.session_id == id))
            .map(|value| check(value, activity_key))
            .filter(|head| !head.is_err_and(Reason::is_claim))
            .take(MOST_CHECKED as usize)
            .filter_map(Result::ok)
            .map(|head| from_seconds(head.expires.into()))
            .max()
    }
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checker")
            .field("cookie", &self.name)
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

const FORMAT: &str = "sealed-session day keys v1";
/// Most characters of one entry of `keys` or of `sealing`.
const ENTRY: usize = 450;
/// Most session tokens of a request on which cryptography is spent, and most activity tokens for each of them.
const MOST_CHECKED: u32 = 8;

fn parse_entry(entry: &Value) -> Option<((KeyId, u32), CheckKeys)> {
    let id = entry["key_id"].as_str()?.parse().ok()?;
    let day = u32::try_from(entry["day"].as_u64()?).ok()?;
    let key = |cookie: &Value| -> Option<Prk> {
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(parse_hex(cookie["check"].as_str()?)?);
        Some(Prk::new(&bytes))
    };
    let activity = match entry.get("activity") {
        None => None,
        Some(activity) => Some(key(activity)?),
    };
    let session = key(&entry["session"])?;
    Some(((id, day), CheckKeys { session, activity }))
}

/// Whether these timeouts have no idle one.
fn lacks_idle(timeouts: &Value) -> bool {
    timeouts.get("idle").is_some_and(Value::is_null)
}

/// JSON with keys in it: its texts are cleared when it is dropped.
struct Parsed(Value);

impl Drop for Parsed {
    fn drop(&mut self) {
        fn clear(value: &mut Value) {
            match value {
                Value::String(text) => text.zeroize(),
                Value::Array(values) => values.iter_mut().for_each(clear),
                Value::Object(fields) => fields.values_mut().for_each(clear),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        clear(&mut self.0);
    }
}

fn refused(problem: &str) -> ConfigError {
    ConfigError::new(format!(
        "the text with the edge's keys {problem}; give it what `edge_keys` wrote"
    ))
}
