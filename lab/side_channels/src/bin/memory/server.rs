//! The process that is searched: a server with kept sessions. It gets orders with the tokens for them, and clears what it
//! got.

use std::fs::File;
use std::io::Read;

use sealed_session::{Key, KeyRing, RequestFields, SessionId, SessionState, Sessions};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use zeroize::{Zeroize, Zeroizing};

use crate::{Outcome, SECRET};

/// Session data of which one half clears itself.
#[derive(Serialize, Deserialize)]
pub(crate) struct Data {
    pub(crate) cleared: Zeroizing<Backwards>,
    pub(crate) plain: Backwards,
}

/// Text that lies backwards in memory. So it is told apart from the payload.
#[derive(Default)]
pub(crate) struct Backwards(pub(crate) Vec<u8>);

impl Zeroize for Backwards {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

pub(crate) fn backwards(text: &str) -> Backwards {
    Backwards(text.bytes().rev().collect())
}

impl Serialize for Backwards {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = self.0.iter().rev().copied().map(char::from).collect();
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Backwards {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Backwards;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("text")
            }
            fn visit_str<E>(self, text: &str) -> Result<Backwards, E> {
                Ok(backwards(text))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

/// What the process that is searched can be told. A time and a field value follow.
#[derive(Clone, Copy, PartialEq)]
#[repr(u8)]
pub(crate) enum Order {
    /// Open the session, which must be valid.
    Open = b'o',
    /// The same, with the field value in a string that nobody clears.
    OpenString = b'p',
    /// Look at the session, which must not be valid.
    Refuse = b'r',
    /// Open the session, and end it.
    End = b'e',
    /// Open the session, and start another one over it.
    Start = b's',
    /// Revoke the session of this id, which comes in place of the field value.
    Revoke = b'v',
    /// Replace the ring by one with another secret more.
    ReplaceKeys = b'k',
    /// Raise the cut-off to a time before all sessions.
    CutOff = b'c',
    /// Drop the sessions.
    Drop = b'd',
}

const ORDERS: [Order; 9] = {
    use Order::{CutOff, Drop, End, Open, OpenString, Refuse, ReplaceKeys, Revoke, Start};
    [Open, OpenString, Refuse, End, Start, Revoke, ReplaceKeys, CutOff, Drop]
};

pub(crate) fn work() -> Outcome<()> {
    // Unbuffered: a buffer of the standard library would keep a copy.
    let mut input = File::open("/dev/stdin")?;
    let mut secret = Zeroizing::new(vec![0; SECRET]);
    input.read_exact(&mut secret)?;
    let mut room = [0; 8];
    input.read_exact(&mut room)?;
    let room = usize::try_from(u64::from_be_bytes(room))?;
    let ring = KeyRing::new(Key::from_raw_secret(&secret)?);
    let mut sessions = Some(Sessions::<Data>::builder(ring).opened_cache(room).build()?);
    let mut start = [0; 13];
    loop {
        if input.read(&mut start[..1])? == 0 {
            return Ok(());
        }
        input.read_exact(&mut start[1..])?;
        let [order, times @ .., a, b, c, d] = start;
        let now = OffsetDateTime::from_unix_timestamp(i64::from_be_bytes(times))?;
        let length = u32::from_be_bytes([a, b, c, d]);
        let mut field = Zeroizing::new(vec![0; usize::try_from(length)?]);
        input.read_exact(&mut field)?;
        let order = ORDERS
            .into_iter()
            .find(|known| *known as u8 == order)
            .ok_or("no order")?;
        if order == Order::Drop {
            sessions = None;
        } else {
            obey(sessions.as_ref().ok_or("dropped")?, order, now, field, &secret)?;
        }
        println!("ready");
    }
}

fn obey(
    sessions: &Sessions<Data>,
    order: Order,
    now: OffsetDateTime,
    field: Zeroizing<Vec<u8>>,
    secret: &[u8],
) -> Outcome<()> {
    match order {
        Order::Revoke => sessions.revoke(SessionId::from_bytes(field.as_slice().try_into()?)),
        Order::CutOff => sessions.raise_cut_off(now),
        Order::ReplaceKeys => {
            let ring = KeyRing::new(Key::from_raw_secret(secret)?);
            let other = Key::generate()?;
            let text = Zeroizing::new(format!(
                "{}\nopen {}",
                ring.write_with_secrets().expose(),
                other.write_with_secret().expose()
            ));
            sessions.replace_keys(KeyRing::parse(&text)?);
        }
        _ => {
            let fields = match order {
                Order::OpenString => RequestFields::from_cookies([std::str::from_utf8(&field)?.to_owned()]),
                _ => RequestFields::from_cookies([field]),
            };
            let mut session = sessions.load_at(fields, now);
            let is_open = session.state() == SessionState::Valid;
            if is_open == (order == Order::Refuse) {
                return Err(format!("a session came out {:?}", session.state()).into());
            }
            match order {
                Order::End => session.end()?,
                Order::Start => session.start(Data {
                    cleared: Zeroizing::default(),
                    plain: Backwards::default(),
                })?,
                _ => {}
            }
            drop(session.finish_patch(200));
        }
    }
    Ok(())
}
