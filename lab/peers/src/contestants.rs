//! Every contestant's operations, each as its documentation shows it.
//!
//! Where an API leaves a choice, the peer gets the faster way: keys and contexts are made once, tokens are not copied.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use sealed_session::{Key, KeyRing, Lifetime, RequestFields, Sealer, SessionState, Sessions};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::measure::{Operation, operation, prepared};
use crate::payload::{Visit, visit};

/// The operations that are compared, in the order of the columns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum What {
    Untouched,
    Seal,
    SealWithActivity,
    Open,
    OpenWithActivity,
    FlippedBit,
    UnknownKey,
    Expired,
    Garbage,
}

impl What {
    pub fn name(self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::Seal => "seal",
            Self::SealWithActivity => "seal, with activity token",
            Self::Open => "open",
            Self::OpenWithActivity => "open, with activity token",
            Self::FlippedBit => "reject: bit flipped",
            Self::UnknownKey => "reject: unknown key",
            Self::Expired => "reject: expired",
            Self::Garbage => "reject: garbage",
        }
    }

    pub fn is_seal(self) -> bool {
        matches!(self, Self::Seal | Self::SealWithActivity)
    }
}

pub struct Contestant {
    pub name: &'static str,
    /// Without the operations that its public API cannot do.
    pub operations: HashMap<What, Operation>,
}

impl Contestant {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            operations: HashMap::new(),
        }
    }

    fn with(mut self, what: What, operation: Operation) -> Self {
        // Once, to check that it succeeds.
        operation(1);
        self.operations.insert(what, operation);
        self
    }

    /// Sealing, opening and rejecting text.
    fn text<S: Fn() -> String + 'static, O: Fn(&'static str) -> bool + 'static>(
        name: &'static str,
        seal: S,
        foreign: String,
        open: O,
    ) -> Self {
        let token: &'static str = seal().leak();
        let open = Rc::new(open);
        let opens = |what: &'static str| {
            let open = Rc::clone(&open);
            operation(move || open(what))
        };
        let (works, flipped) = (opens(token), opens_not(&open, flipped(token)));
        let (unknown, garbage) = (opens_not(&open, foreign), opens_not(&open, garbage(token.len())));
        Self::new(name)
            .with(What::Seal, operation(move || !seal().is_empty()))
            .with(What::Open, works)
            .with(What::FlippedBit, flipped)
            .with(What::UnknownKey, unknown)
            .with(What::Garbage, garbage)
    }
}

fn opens_not(open: &Rc<impl Fn(&'static str) -> bool + 'static>, text: String) -> Operation {
    let (open, text): (_, &'static str) = (Rc::clone(open), text.leak());
    operation(move || !open(text))
}

/// One bit flipped in the middle of the sealed bytes (for every format here, three fifths of the text are within them).
fn flipped(token: &str) -> String {
    let mut bytes = token.as_bytes().to_vec();
    let at = bytes.len() * 3 / 5;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).expect("ASCII")
}

/// Text with the alphabet and the length of the token that was not sealed.
fn garbage(length: usize) -> String {
    "q7Zk3xW".chars().cycle().take(length).collect()
}

fn flipped_cookie(cookie: &str) -> String {
    let (name, value) = cookie.split_once('=').expect("a cookie");
    format!("{name}={}", flipped(value))
}

fn garbage_cookie(cookie: &str) -> String {
    let (name, value) = cookie.split_once('=').expect("a cookie");
    format!("{name}={}", garbage(value.len()))
}

const DAY: Duration = Duration::from_secs(86_400);
const LIFE: u64 = 12 * 3600;

/// The time of this run, fixed once. Peers that have a clock read it themselves.
fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(OffsetDateTime::now_utc().unix_timestamp())
        .expect("the present can be represented")
}

fn json(size: usize) -> Vec<u8> {
    serde_json::to_vec(&visit(size)).expect("a visit serialises")
}

fn to_text(data: &Visit) -> String {
    serde_json::to_string(data).expect("a visit serialises")
}

fn reads(json: &[u8]) -> bool {
    std::str::from_utf8(json).is_ok_and(|text| serde_json::from_str::<Visit>(text).is_ok())
}

pub fn secret(index: u8) -> [u8; 64] {
    std::array::from_fn(|at| (at as u8).wrapping_mul(37) ^ index.wrapping_mul(91).wrapping_add(129))
}

pub fn key(index: u8) -> Key {
    let secret: [u8; 32] = *secret(index).first_chunk().expect("32 of 64 bytes");
    Key::from_raw_secret(&secret).expect("32 different bytes")
}

const OURS: u8 = 1;
const STRANGER: u8 = 2;

/// Drives a future that never waits.
pub fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

// ---------------------------------------------------------------- sealed-session

fn sealer(index: u8) -> Sealer {
    Sealer::new(KeyRing::new(key(index)), "bench")
        .expect("a configuration")
        .with_audience("bench")
        .expect("a configuration")
}

pub fn sessions(index: u8, with_idle: bool) -> Sessions<Visit> {
    let builder = Sessions::builder(KeyRing::new(key(index))).audience("bench");
    let builder = if with_idle {
        builder
    } else {
        builder.lifetime(Lifetime::default().without_idle())
    };
    builder.build().expect("a configuration")
}

fn seal(sealer: &Sealer, bytes: &[u8], now: OffsetDateTime) -> String {
    sealer.seal_at(bytes, DAY / 2, now).expect("it fits")
}

pub fn ours_typed(size: usize) -> Contestant {
    let (sealer, now, data) = (Rc::new(sealer(OURS)), now(), visit(size));
    let seal_it = {
        let sealer = Rc::clone(&sealer);
        move || seal(&sealer, &serde_json::to_vec(&data).expect("a visit serialises"), now)
    };
    let foreign = seal(&self::sealer(STRANGER), &json(size), now);
    let expired: &'static str = seal(&sealer, &json(size), now - DAY).leak();
    let open = move |text: &'static str| sealer.open_at(text, b"", now).is_ok_and(|value| reads(value.payload()));
    let of_expired = open.clone();
    Contestant::text("sealed-session `Sealer` + serde_json", seal_it, foreign, open)
        .with(What::Expired, operation(move || !of_expired(expired)))
}

pub fn ours_bytes(size: usize) -> Contestant {
    let (sealer, now, data) = (Rc::new(sealer(OURS)), now(), json(size));
    let seal_it = {
        let sealer = Rc::clone(&sealer);
        move || seal(&sealer, &data, now)
    };
    let foreign = seal(&self::sealer(STRANGER), &json(size), now);
    let expired: &'static str = seal(&sealer, &json(size), now - DAY).leak();
    let open = move |text: &'static str| sealer.open_at(text, b"", now).is_ok();
    let of_expired = open.clone();
    Contestant::text("sealed-session `Sealer`", seal_it, foreign, open)
        .with(What::Expired, operation(move || !of_expired(expired)))
}

/// From the Cookie header to the data, and from the data to `Set-Cookie`.
pub fn ours_request(size: usize) -> Contestant {
    let now = now();
    let cookie = |sessions: &Sessions<Visit>, at| -> &'static str {
        sessions.cookie_for_at(visit(size), at).expect("it fits").leak()
    };
    let (with_idle, without_idle) = (sessions(OURS, true), sessions(OURS, false));
    let (both, alone) = (cookie(&with_idle, now), cookie(&without_idle, now));
    let opens = |sessions: &Sessions<Visit>, cookie: &'static str| {
        let sessions = sessions.clone();
        operation(move || {
            sessions
                .load_at(RequestFields::from_cookies([cookie]), now)
                .get()
                .is_some()
        })
    };
    let rejects = |text: &str| {
        let (sessions, cookie): (_, &'static str) = (without_idle.clone(), text.to_owned().leak());
        operation(move || {
            let session = sessions.load_at(RequestFields::from_cookies([cookie]), now);
            matches!(session.state(), SessionState::Rejected(_))
        })
    };
    let seals = |sessions: &Sessions<Visit>| {
        let (sessions, data) = (sessions.clone(), visit(size));
        prepared(
            move || data.clone(),
            move |data| {
                let mut session = sessions.load_at(RequestFields::default(), now);
                session.start(data).is_ok() && session.finish_patch(200).set_cookies().next().is_some()
            },
        )
    };
    Contestant::new("sealed-session `Sessions`")
        .with(What::Seal, seals(&without_idle))
        .with(What::SealWithActivity, seals(&with_idle))
        .with(What::Open, opens(&without_idle, alone))
        .with(What::OpenWithActivity, opens(&with_idle, both))
        .with(What::FlippedBit, rejects(&flipped_cookie(alone)))
        .with(What::UnknownKey, rejects(cookie(&sessions(STRANGER, false), now)))
        .with(What::Expired, rejects(cookie(&without_idle, now - DAY)))
        .with(What::Garbage, rejects(&garbage_cookie(alone)))
}

// ---------------------------------------------------------------- cookie

mod private_jar {
    pub use cookie::{Cookie, CookieJar, Key, SameSite};

    use super::secret;

    pub fn key(index: u8) -> Key {
        Key::from(&secret(index))
    }

    /// The sealed value, read where the jar keeps it.
    pub fn sealed(key: &Key, text: String) -> CookieJar {
        let mut jar = CookieJar::new();
        jar.private_mut(key).add(Cookie::new("id", text));
        jar
    }

    pub fn value(key: &Key, text: String) -> String {
        sealed(key, text).get("id").expect("just added").value().to_owned()
    }

    pub fn opened(key: &Key, value: &'static str) -> Option<Cookie<'static>> {
        CookieJar::new().private(key).decrypt(Cookie::new("id", value))
    }
}

pub fn private_jar_typed(size: usize) -> Contestant {
    use private_jar::*;
    let (ours, data) = (key(OURS), visit(size));
    let foreign = value(&key(STRANGER), to_text(&visit(size)));
    let of_open = ours.clone();
    let mut it = Contestant::text(
        "cookie `PrivateJar` + serde_json",
        move || value(&ours, to_text(&data)),
        foreign,
        move |text| opened(&of_open, text).is_some_and(|cookie| serde_json::from_str::<Visit>(cookie.value()).is_ok()),
    );
    let (ours, data) = (key(OURS), visit(size));
    it = it.with(
        What::Seal,
        operation(move || sealed(&ours, to_text(&data)).get("id").is_some()),
    );
    it
}

pub fn private_jar_bytes(size: usize) -> Contestant {
    use private_jar::*;
    let (ours, data) = (key(OURS), to_text(&visit(size)));
    let foreign = value(&key(STRANGER), data.clone());
    let of_open = ours.clone();
    let it = Contestant::text(
        "cookie `PrivateJar` (UTF-8 only)",
        move || value(&ours, data.clone()),
        foreign,
        move |text| opened(&of_open, text).is_some(),
    );
    let ours = key(OURS);
    let data: &'static str = to_text(&visit(size)).leak();
    it.with(
        What::Seal,
        operation(move || {
            let mut jar = CookieJar::new();
            jar.private_mut(&ours).add(Cookie::new("id", data));
            jar.get("id").is_some()
        }),
    )
}

/// From the Cookie header to the data, and from the data to `Set-Cookie`.
pub fn private_jar_request(size: usize) -> Contestant {
    use private_jar::*;
    fn jar_of(header: &'static str) -> CookieJar {
        let mut jar = CookieJar::new();
        for cookie in Cookie::split_parse(header).flatten() {
            jar.add_original(cookie);
        }
        jar
    }
    fn set_cookie(key: &Key, data: &Visit) -> String {
        let mut jar = CookieJar::new();
        let cookie = Cookie::build(("__Host-id", to_text(data)))
            .path("/")
            .secure(true)
            .http_only(true)
            .same_site(SameSite::Lax);
        jar.private_mut(key).add(cookie.build());
        jar.delta().next().expect("just added").to_string()
    }
    let ours = key(OURS);
    let header = |key: &Key| {
        let line = set_cookie(key, &visit(size));
        line.split(';').next().expect("a cookie").to_owned()
    };
    let (genuine, foreign) = (header(&ours), header(&key(STRANGER)));
    let opens = |text: &str, outcome: bool| {
        let (ours, text): (_, &'static str) = (ours.clone(), text.to_owned().leak());
        operation(move || {
            let cookie = jar_of(text).private(&ours).get("__Host-id");
            cookie.is_some_and(|cookie| serde_json::from_str::<Visit>(cookie.value()).is_ok()) == outcome
        })
    };
    let (sealing, data) = (ours.clone(), visit(size));
    Contestant::new("cookie `PrivateJar` + serde_json")
        .with(
            What::Seal,
            prepared(
                move || data.clone(),
                move |data| !set_cookie(&sealing, &data).is_empty(),
            ),
        )
        .with(What::Open, opens(&genuine, true))
        .with(What::FlippedBit, opens(&flipped_cookie(&genuine), false))
        .with(What::UnknownKey, opens(&foreign, false))
        .with(What::Garbage, opens(&garbage_cookie(&genuine), false))
}

// ---------------------------------------------------------------- biscotti

mod biscotti_cookies {
    use biscotti::config::{CryptoAlgorithm, CryptoRule};
    pub use biscotti::{Key, Processor, ProcessorConfig, RequestCookies, ResponseCookie, ResponseCookies, SameSite};

    use super::secret;

    pub fn processor(index: u8) -> Processor {
        let mut config = ProcessorConfig::default();
        config.crypto_rules.push(CryptoRule {
            cookie_names: vec!["id".into(), "__Host-id".into()],
            algorithm: CryptoAlgorithm::Encryption,
            key: Key::from(secret(index).to_vec()),
            fallbacks: Vec::new(),
        });
        config.into()
    }

    pub fn value(processor: &Processor, text: &str) -> String {
        processor
            .process_outgoing(ResponseCookie::new("id", text))
            .value()
            .to_owned()
    }
}

fn biscotti(size: usize, name: &'static str, is_typed: bool) -> Contestant {
    use biscotti_cookies::*;
    let (sealing, opening) = (processor(OURS), processor(OURS));
    let (data, text) = (visit(size), to_text(&visit(size)));
    let foreign = value(&processor(STRANGER), &text);
    Contestant::text(
        name,
        move || {
            let serialised = is_typed.then(|| to_text(&data));
            value(&sealing, serialised.as_deref().unwrap_or(&text))
        },
        foreign,
        move |text| {
            let cookie = opening.process_incoming("id", text);
            cookie.is_ok_and(|cookie| !is_typed || serde_json::from_str::<Visit>(cookie.value()).is_ok())
        },
    )
}

pub fn biscotti_typed(size: usize) -> Contestant {
    biscotti(size, "biscotti + serde_json", true)
}

pub fn biscotti_bytes(size: usize) -> Contestant {
    biscotti(size, "biscotti (UTF-8 only)", false)
}

pub fn biscotti_request(size: usize) -> Contestant {
    use biscotti_cookies::*;
    fn set_cookie(processor: &Processor, data: &Visit) -> String {
        let mut cookies = ResponseCookies::new();
        let cookie = ResponseCookie::new("__Host-id", to_text(data));
        cookies.insert(
            cookie
                .set_path("/")
                .set_secure(true)
                .set_http_only(true)
                .set_same_site(SameSite::Lax),
        );
        cookies.header_values(processor).next().expect("just added")
    }
    let header = |processor: &Processor| {
        let line = set_cookie(processor, &visit(size));
        line.split(';').next().expect("a cookie").to_owned()
    };
    let ours = Rc::new(processor(OURS));
    let (genuine, foreign) = (header(&ours), header(&processor(STRANGER)));
    let opens = |text: &str, outcome: bool| {
        let (ours, text): (_, &'static str) = (Rc::clone(&ours), text.to_owned().leak());
        operation(move || {
            let cookies = RequestCookies::parse_header(text, &ours);
            let cookie = cookies.ok().and_then(|cookies| cookies.get("__Host-id"));
            cookie.is_some_and(|cookie| serde_json::from_str::<Visit>(cookie.value()).is_ok()) == outcome
        })
    };
    let (sealing, data) = (Rc::clone(&ours), visit(size));
    Contestant::new("biscotti + serde_json")
        .with(
            What::Seal,
            prepared(
                move || data.clone(),
                move |data| !set_cookie(&sealing, &data).is_empty(),
            ),
        )
        .with(What::Open, opens(&genuine, true))
        .with(What::FlippedBit, opens(&flipped_cookie(&genuine), false))
        .with(What::UnknownKey, opens(&foreign, false))
        .with(What::Garbage, opens(&garbage_cookie(&genuine), false))
}

// ---------------------------------------------------------------- actix-session

/// The middleware's own way to its cookie: `CookieSessionStore` inside a `PrivateJar` of cookie 0.16.
pub fn actix_typed(size: usize) -> Contestant {
    use actix_session::storage::{CookieSessionStore, SessionKey, SessionStore};
    use actix_web::cookie::{Cookie, CookieJar, Key};

    // The data takes an entry of the store's map, as JSON within JSON. Its keys and quotes leave no room for the largest
    // visit, which is 4064 characters there.
    fn sealed(key: &Key, data: &Visit) -> Option<CookieJar> {
        let state = HashMap::from([("visit".to_owned(), to_text(data))]);
        let ttl = actix_web::cookie::time::Duration::hours(12);
        let session_key = ready(CookieSessionStore::default().save(state, &ttl)).ok()?;
        let mut jar = CookieJar::new();
        jar.private_mut(key)
            .add(Cookie::new("id", session_key.as_ref().to_owned()));
        Some(jar)
    }
    let value = |key: &Key, data: &Visit| Some(sealed(key, data)?.get("id")?.value().to_owned());
    let name = "actix-session `CookieSessionStore`";
    let (ours, data) = (Key::from(&secret(OURS)), visit(size));
    let Some(foreign) = value(&Key::from(&secret(STRANGER)), &data) else {
        return Contestant::new(name);
    };
    let (sealing, opening, raw) = (ours.clone(), ours.clone(), visit(size));
    let it = Contestant::text(
        name,
        move || value(&ours, &data).expect("it fits"),
        foreign,
        move |text| {
            let cookie = CookieJar::new().private(&opening).decrypt(Cookie::new("id", text));
            let key: Option<SessionKey> = cookie.and_then(|cookie| cookie.value().to_owned().try_into().ok());
            let state = key.and_then(|key| ready(CookieSessionStore::default().load(&key)).ok().flatten());
            state.is_some_and(|state| state.get("visit").is_some_and(|json| reads(json.as_bytes())))
        },
    );
    it.with(What::Seal, operation(move || sealed(&sealing, &raw).is_some()))
}

// ---------------------------------------------------------------- branca

fn branca_of(size: usize, name: &'static str, is_typed: bool) -> Contestant {
    let keys: [[u8; 32]; 2] = [OURS, STRANGER].map(|index| *secret(index).first_chunk().expect("32 of 64 bytes"));
    let (data, raw) = (visit(size), json(size));
    let unix = || u32::try_from(OffsetDateTime::now_utc().unix_timestamp()).expect("before 2106");
    let foreign = branca::encode(&raw, &keys[1], unix()).expect("it encodes");
    let expired: &'static str = branca::encode(&raw, &keys[0], unix() - 86_400)
        .expect("it encodes")
        .leak();
    let open = move |text: &'static str| {
        branca::decode(text, &keys[0], LIFE as u32).is_ok_and(|bytes| !is_typed || reads(&bytes))
    };
    Contestant::text(
        name,
        move || {
            let serialised = is_typed.then(|| serde_json::to_vec(&data).expect("a visit serialises"));
            branca::encode(serialised.as_deref().unwrap_or(&raw), &keys[0], unix()).expect("it encodes")
        },
        foreign,
        open,
    )
    .with(What::Expired, operation(move || !open(expired)))
}

pub fn branca_typed(size: usize) -> Contestant {
    branca_of(size, "branca + serde_json", true)
}

pub fn branca_bytes(size: usize) -> Contestant {
    branca_of(size, "branca", false)
}

// ---------------------------------------------------------------- pasetors

mod paseto {
    pub use pasetors::claims::{Claims, ClaimsValidationRules};
    pub use pasetors::keys::SymmetricKey;
    pub use pasetors::token::UntrustedToken;
    pub use pasetors::version4::{LocalToken, V4};
    pub use pasetors::{Local, local};

    pub fn key(index: u8) -> SymmetricKey<V4> {
        SymmetricKey::from(&super::secret(index)[..32]).expect("32 bytes")
    }
}

#[derive(Deserialize)]
struct Wrapped {
    #[expect(dead_code, reason = "it is read to be there")]
    visit: Visit,
}

pub fn paseto_typed(size: usize) -> Contestant {
    use paseto::*;
    let seal = |key: SymmetricKey<V4>, data: Visit, expires: Option<&'static str>| {
        move || {
            let mut claims = Claims::new().expect("a clock");
            if let Some(expires) = expires {
                claims.expiration(expires).expect("a time");
            }
            let value = serde_json::to_value(&data).expect("a visit serialises");
            claims.add_additional("visit", value).expect("not reserved");
            local::encrypt(&key, &claims, None, None).expect("it encrypts")
        }
    };
    let foreign = seal(key(STRANGER), visit(size), None)();
    let expired: &'static str = seal(key(OURS), visit(size), Some("2020-01-01T00:00:00+00:00"))().leak();
    let (ours, rules) = (key(OURS), ClaimsValidationRules::new());
    let open = Rc::new(move |text: &'static str| {
        UntrustedToken::<Local, V4>::try_from(text)
            .and_then(|token| local::decrypt(&ours, &token, &rules, None, None))
            .is_ok_and(|token| serde_json::from_str::<Wrapped>(token.payload()).is_ok())
    });
    let of_expired = Rc::clone(&open);
    Contestant::text(
        "pasetors v4.local",
        seal(key(OURS), visit(size), None),
        foreign,
        move |text| open(text),
    )
    .with(What::Expired, operation(move || !of_expired(expired)))
}

pub fn paseto_bytes(size: usize) -> Contestant {
    use paseto::*;
    let (sealing, opening, raw) = (key(OURS), key(OURS), json(size));
    let foreign = LocalToken::encrypt(&key(STRANGER), &raw, None, None).expect("it encrypts");
    Contestant::text(
        "pasetors v4.local",
        move || LocalToken::encrypt(&sealing, &raw, None, None).expect("it encrypts"),
        foreign,
        move |text| {
            UntrustedToken::<Local, V4>::try_from(text)
                .is_ok_and(|token| LocalToken::decrypt(&opening, &token, None, None).is_ok())
        },
    )
}

// ---------------------------------------------------------------- jsonwebtoken

#[derive(Serialize, Deserialize)]
struct Claims<V> {
    exp: u64,
    visit: V,
}

pub fn jsonwebtoken_typed(size: usize) -> Contestant {
    use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};

    let unix = || {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("after 1970")
            .as_secs()
    };
    let seal = |index: u8, data: Visit, life: i64| {
        let (key, header) = (EncodingKey::from_secret(&secret(index)), Header::default());
        move || {
            let exp = unix().saturating_add_signed(life);
            encode(&header, &Claims { exp, visit: &data }, &key).expect("it encodes")
        }
    };
    let foreign = seal(STRANGER, visit(size), LIFE as i64)();
    let expired: &'static str = seal(OURS, visit(size), -86_400)().leak();
    let (key, validation) = (DecodingKey::from_secret(&secret(OURS)), Validation::default());
    let open = Rc::new(move |text: &'static str| decode::<Claims<Visit>>(text, &key, &validation).is_ok());
    let of_expired = Rc::clone(&open);
    Contestant::text(
        "jsonwebtoken HS256 (signed only: anybody reads it)",
        seal(OURS, visit(size), LIFE as i64),
        foreign,
        move |text| open(text),
    )
    .with(What::Expired, operation(move || !of_expired(expired)))
}

// ---------------------------------------------------------------- josekit

#[cfg(feature = "josekit")]
mod jose {
    pub use josekit::jwe::alg::direct::{DirectJweDecrypter, DirectJweEncrypter};
    pub use josekit::jwe::{Dir, JweHeader, deserialize_compact, serialize_compact};
    pub use josekit::jwt::{self, JwtPayload, JwtPayloadValidator};

    pub fn encrypter(index: u8) -> DirectJweEncrypter {
        Dir.encrypter_from_bytes(&super::secret(index)[..32]).expect("32 bytes")
    }

    pub fn decrypter(index: u8) -> DirectJweDecrypter {
        Dir.decrypter_from_bytes(&super::secret(index)[..32]).expect("32 bytes")
    }

    pub fn header() -> JweHeader {
        let mut header = JweHeader::new();
        header.set_content_encryption("A256GCM");
        header
    }
}

#[cfg(feature = "josekit")]
pub fn josekit_typed(size: usize) -> Contestant {
    use jose::*;
    let seal = |index: u8, data: Visit, is_expired: bool| {
        let (encrypter, mut header) = (encrypter(index), header());
        header.set_token_type("JWT");
        move || {
            let Ok(serde_json::Value::Object(map)) = serde_json::to_value(&data) else {
                unreachable!("a visit is an object");
            };
            let mut payload = JwtPayload::from_map(map).expect("no reserved claims");
            let expires = if is_expired {
                SystemTime::now() - DAY
            } else {
                SystemTime::now() + DAY / 2
            };
            payload.set_expires_at(&expires);
            jwt::encode_with_encrypter(&payload, &header, &encrypter).expect("it encrypts")
        }
    };
    let foreign = seal(STRANGER, visit(size), false)();
    let expired: &'static str = seal(OURS, visit(size), true)().leak();
    let decrypter = decrypter(OURS);
    let open = Rc::new(move |text: &'static str| {
        let Ok((payload, _)) = jwt::decode_with_decrypter(text, &decrypter) else {
            return false;
        };
        let mut validator = JwtPayloadValidator::new();
        validator.set_base_time(SystemTime::now());
        let claims = serde_json::Value::Object(payload.claims_set().clone());
        validator.validate(&payload).is_ok() && serde_json::from_value::<Visit>(claims).is_ok()
    });
    let of_expired = Rc::clone(&open);
    Contestant::text(
        "josekit dir/A256GCM",
        seal(OURS, visit(size), false),
        foreign,
        move |text| open(text),
    )
    .with(What::Expired, operation(move || !of_expired(expired)))
}

#[cfg(feature = "josekit")]
pub fn josekit_bytes(size: usize) -> Contestant {
    use jose::*;
    let (sealing, opening, header, raw) = (encrypter(OURS), decrypter(OURS), header(), json(size));
    let foreign = serialize_compact(&raw, &header, &encrypter(STRANGER)).expect("it encrypts");
    Contestant::text(
        "josekit dir/A256GCM",
        move || serialize_compact(&raw, &header, &sealing).expect("it encrypts"),
        foreign,
        move |text| deserialize_compact(text, &opening).is_ok(),
    )
}

// ---------------------------------------------------------------- fernet

fn fernet_of(size: usize, name: &'static str, is_typed: bool) -> Contestant {
    let fernet = |index: u8| {
        use base64::Engine as _;
        let key = base64::engine::general_purpose::URL_SAFE.encode(&secret(index)[..32]);
        fernet::Fernet::new(&key).expect("32 bytes")
    };
    let (sealing, opening, late) = (fernet(OURS), fernet(OURS), fernet(OURS));
    let (data, raw) = (visit(size), json(size));
    let foreign = fernet(STRANGER).encrypt(&raw);
    let expired: &'static str = sealing.encrypt(&raw).leak();
    let it = Contestant::text(
        name,
        move || {
            let serialised = is_typed.then(|| serde_json::to_vec(&data).expect("a visit serialises"));
            sealing.encrypt(serialised.as_deref().unwrap_or(&raw))
        },
        foreign,
        move |text| {
            opening
                .decrypt_with_ttl(text, LIFE)
                .is_ok_and(|bytes| !is_typed || reads(&bytes))
        },
    );
    // Its clock cannot be set: the token's time has come once it is older than 0 seconds.
    std::thread::sleep(Duration::from_millis(2100));
    it.with(
        What::Expired,
        operation(move || late.decrypt_with_ttl(expired, 0).is_err()),
    )
}

pub fn fernet_typed(size: usize) -> Contestant {
    fernet_of(size, "fernet + serde_json", true)
}

pub fn fernet_bytes(size: usize) -> Contestant {
    fernet_of(size, "fernet", false)
}

// ---------------------------------------------------------------- the floor and the primitives

mod bare {
    pub use aes_gcm::aead::AeadInOut;
    pub use aes_gcm::aead::inout::InOutBuf;
    use aes_gcm::aes::Aes256Enc;
    use aes_gcm::aes::cipher::consts::U12;
    pub use aes_gcm::{AesGcm, KeyInit, Nonce, Tag};
    pub use base64::Engine;
    use base64::engine::Simd;
    use base64::engine::general_purpose::NO_PAD;
    pub use hkdf::hmac::{Hmac, Mac};
    pub use sha2::Sha256;

    pub type Aes256Gcm = AesGcm<Aes256Enc, U12>;

    pub fn engine() -> Simd {
        Simd::url_safe(NO_PAD)
    }

    pub fn cipher(index: u8) -> Aes256Gcm {
        Aes256Gcm::new_from_slice(&super::secret(index)[..32]).expect("32 bytes")
    }

    /// nonce || text || tag
    pub fn seal(cipher: &Aes256Gcm, nonce: [u8; 12], text: &[u8]) -> Vec<u8> {
        let mut token = Vec::with_capacity(12 + text.len() + 16);
        token.extend_from_slice(&nonce);
        token.extend_from_slice(text);
        let tag = cipher
            .encrypt_inout_detached(&Nonce::from(nonce), &[], InOutBuf::from(&mut token[12..]))
            .expect("it encrypts");
        token.extend_from_slice(&tag);
        token
    }

    pub fn open<'a>(cipher: &Aes256Gcm, token: &'a mut [u8]) -> Option<&'a [u8]> {
        let (nonce, rest) = token.split_first_chunk_mut::<12>()?;
        let (text, tag) = rest.split_last_chunk_mut::<16>()?;
        cipher
            .decrypt_inout_detached(&Nonce::from(*nonce), &[], InOutBuf::from(&mut *text), &Tag::from(*tag))
            .ok()?;
        Some(text)
    }
}

/// serde_json, AES-256-GCM with a cached key, base64 with vector instructions, and a counter as nonce: no random call.
fn floor(size: usize, name: &'static str, is_typed: bool) -> Contestant {
    use bare::*;
    let counter = std::cell::Cell::new(0u64);
    let (sealing, opening, engine) = (cipher(OURS), cipher(OURS), engine());
    let (data, raw) = (visit(size), json(size));
    let foreign = engine.encode(seal(&cipher(STRANGER), [0; 12], &raw));
    let decoding = self::bare::engine();
    Contestant::text(
        name,
        move || {
            let mut nonce = [0; 12];
            nonce[4..].copy_from_slice(&counter.replace(counter.get() + 1).to_be_bytes());
            let serialised = is_typed.then(|| serde_json::to_vec(&data).expect("a visit serialises"));
            engine.encode(seal(&sealing, nonce, serialised.as_deref().unwrap_or(&raw)))
        },
        foreign,
        move |text| {
            let Ok(mut token) = decoding.decode(text) else {
                return false;
            };
            bare::open(&opening, &mut token).is_some_and(|bytes| !is_typed || reads(bytes))
        },
    )
}

pub fn floor_typed(size: usize) -> Contestant {
    floor(size, "floor: serde_json + aes-gcm (cached key) + base64", true)
}

pub fn floor_bytes(size: usize) -> Contestant {
    floor(size, "floor: aes-gcm (cached key) + base64", false)
}

/// The bare primitives of format v1 for the same bytes, in buffers that exist already: two expands of HKDF from cached HMAC
/// states over a head of 29 bytes, key set-up, GCM over the frame and base64url. No allocation, no random call.
pub fn primitives(size: usize) -> Contestant {
    use bare::*;
    use std::cell::RefCell;

    struct Bench {
        check: Hmac<Sha256>,
        seal: Hmac<Sha256>,
        bytes: Vec<u8>,
        text: Vec<u8>,
    }
    let states = |index: u8| {
        let state = |part: &[u8]| <Hmac<Sha256> as KeyInit>::new_from_slice(part).expect("any length");
        (state(&secret(index)[..32]), state(&secret(index)[32..]))
    };
    fn expand(state: &Hmac<Sha256>, head: &[u8]) -> [u8; 32] {
        let mut mac = state.clone();
        mac.update(head);
        mac.update(&[1]);
        mac.finalize().into_bytes().into()
    }
    let (check, seal) = states(OURS);
    // head (29), check (16), frame head (9), payload, tag (16)
    let length = 70 + size;
    let mut bytes = vec![7; length];
    bytes[54..54 + size].copy_from_slice(&json(size));
    let text = vec![0; length.div_ceil(3) * 4];
    let bench = Rc::new(RefCell::new(Bench {
        check,
        seal,
        bytes,
        text,
    }));
    let engine = engine();
    let seal_once = {
        let bench = Rc::clone(&bench);
        move || {
            let Bench {
                check,
                seal,
                bytes,
                text,
            } = &mut *bench.borrow_mut();
            let check = expand(check, &bytes[..29]);
            bytes[29..45].copy_from_slice(&check[..16]);
            let key = expand(seal, &bytes[..29]);
            let end = bytes.len() - 16;
            let tag = Aes256Gcm::new((&key).into())
                .encrypt_inout_detached(&Nonce::default(), &[], InOutBuf::from(&mut bytes[45..end]))
                .expect("it encrypts");
            bytes[end..].copy_from_slice(&tag);
            engine
                .encode_slice(&bytes[..], &mut text[..])
                .is_ok_and(|length| length > 0)
        }
    };
    assert!(seal_once());
    let token = self::bare::engine().encode(&bench.borrow().bytes);
    let decoding = self::bare::engine();
    let open_once = move || {
        let Bench { check, seal, bytes, .. } = &mut *bench.borrow_mut();
        let Ok(length) = decoding.decode_slice(&token, &mut bytes[..]) else {
            return false;
        };
        let mut mac = check.clone();
        mac.update(&bytes[..29]);
        mac.update(&[1]);
        if mac.verify_truncated_left(&bytes[29..45]).is_err() {
            return false;
        }
        let key = expand(seal, &bytes[..29]);
        let (text, tag) = bytes[45..length].split_last_chunk_mut::<16>().expect("it has a tag");
        Aes256Gcm::new((&key).into())
            .decrypt_inout_detached(&Nonce::default(), &[], InOutBuf::from(text), &Tag::from(*tag))
            .is_ok()
    };
    // A buffer of its own for opening would make no difference: it decodes over the bytes that were sealed before.
    Contestant::new("bare primitives of format v1")
        .with(What::Seal, operation(seal_once))
        .with(What::Open, operation(open_once))
}

// ---------------------------------------------------------------- whole requests through tower layers

mod through_layer {
    pub use http::header::{COOKIE, SET_COOKIE};
    pub use http::{HeaderValue, Request, Response};
    pub use std::convert::Infallible;
    pub use tower::{Layer, Service, service_fn};

    pub fn request(cookie: Option<&HeaderValue>) -> Request<()> {
        let mut request = Request::new(());
        if let Some(cookie) = cookie {
            request.headers_mut().insert(COOKIE, cookie.clone());
        }
        request
    }

    pub fn cookie_of(response: &Response<()>) -> HeaderValue {
        let lines = response.headers().get_all(SET_COOKIE).iter();
        let pairs: Vec<&str> = lines
            .filter_map(|line| line.to_str().expect("ASCII").split(';').next())
            .collect();
        HeaderValue::try_from(pairs.join("; ")).expect("ASCII")
    }

    pub fn changed(cookie: &HeaderValue, change: fn(&str) -> String) -> HeaderValue {
        HeaderValue::try_from(change(cookie.to_str().expect("ASCII"))).expect("ASCII")
    }
}

/// A request that runs through a service. The handler alone, and not the cookie, decides what the request does.
fn served<S>(service: S, cookie: Option<http::HeaderValue>) -> Operation
where
    S: tower::Service<http::Request<()>, Response = http::Response<()>, Error = std::convert::Infallible> + 'static,
{
    let service = std::cell::RefCell::new(service);
    prepared(
        move || through_layer::request(cookie.as_ref()),
        move |request| ready(service.borrow_mut().call(request)).is_ok_and(|response| response.status().is_success()),
    )
}

pub fn ours_layer(size: usize) -> Contestant {
    use sealed_session::{Session, SessionLayer};
    use through_layer::*;

    type Done = std::future::Ready<Result<Response<()>, Infallible>>;
    fn answer() -> Done {
        std::future::ready(Ok(Response::new(())))
    }
    fn session(request: &Request<()>) -> Session<Visit> {
        Session::from_extensions(request.extensions()).expect("the layer is there")
    }
    fn untouched(request: Request<()>) -> Done {
        drop(std::hint::black_box(request));
        answer()
    }
    fn finds(request: Request<()>) -> Done {
        assert!(session(&request).get().is_some());
        answer()
    }
    fn finds_none(request: Request<()>) -> Done {
        assert!(session(&request).get().is_none());
        answer()
    }
    let data = visit(size);
    let through = |sessions: &Sessions<Visit>, handler: fn(Request<()>) -> Done, cookie: HeaderValue| {
        served(
            SessionLayer::new(sessions.clone()).layer(service_fn(handler)),
            Some(cookie),
        )
    };
    let (alone, with_idle, stranger) = (sessions(OURS, false), sessions(OURS, true), sessions(STRANGER, false));
    let cookie = |sessions: &Sessions<Visit>, at| {
        HeaderValue::try_from(sessions.cookie_for_at(visit(size), at).expect("it fits")).expect("ASCII")
    };
    let genuine = cookie(&alone, now());
    let start = move |request: Request<()>| {
        let mut session = session(&request);
        session.start(data.clone()).expect("it fits");
        answer()
    };
    Contestant::new("sealed-session `SessionLayer`")
        .with(What::Untouched, through(&alone, untouched, genuine.clone()))
        .with(
            What::Seal,
            served(SessionLayer::new(alone.clone()).layer(service_fn(start)), None),
        )
        .with(What::Open, through(&alone, finds, genuine.clone()))
        .with(
            What::OpenWithActivity,
            through(&with_idle, finds, cookie(&with_idle, now())),
        )
        .with(
            What::FlippedBit,
            through(&alone, finds_none, changed(&genuine, flipped_cookie)),
        )
        .with(What::UnknownKey, through(&alone, finds_none, cookie(&stranger, now())))
        .with(What::Expired, through(&alone, finds_none, cookie(&alone, now() - DAY)))
        .with(
            What::Garbage,
            through(&alone, finds_none, changed(&genuine, garbage_cookie)),
        )
}

pub fn seshcookie_layer(size: usize) -> Contestant {
    use seshcookie::{Session, SessionConfig, SessionKeys, SessionLayer};
    use through_layer::*;

    // Its extractor is axum's and takes the state from the extensions; getting the data clones it.
    async fn session(request: Request<()>) -> Session<Visit> {
        use axum_core::extract::FromRequestParts;
        let (mut parts, ()) = request.into_parts();
        Session::from_request_parts(&mut parts, &())
            .await
            .expect("the layer is there")
    }
    async fn untouched(request: Request<()>) -> Result<Response<()>, Infallible> {
        drop(std::hint::black_box(request));
        Ok(Response::new(()))
    }
    async fn reads(request: Request<()>) -> Result<Response<()>, Infallible> {
        assert!(session(request).await.get().await.is_some());
        Ok(Response::new(()))
    }
    async fn finds_none(request: Request<()>) -> Result<Response<()>, Infallible> {
        assert!(session(request).await.get().await.is_none());
        Ok(Response::new(()))
    }
    let layer = |index: u8, life: Duration| {
        let keys = SessionKeys::new(&secret(index)[..32]).expect("32 bytes");
        let config = SessionConfig::default().max_age(life).refresh_after(None);
        SessionLayer::<Visit>::new(keys, config).expect("a configuration")
    };
    let start = |data: Visit| {
        move |request: Request<()>| {
            let data = data.clone();
            async move {
                session(request).await.insert(data).await;
                Ok::<_, Infallible>(Response::new(()))
            }
        }
    };
    let cookie = |layer: &SessionLayer<Visit>| {
        let mut service = layer.layer(service_fn(start(visit(size))));
        cookie_of(&ready(service.call(request(None))).expect("infallible"))
    };
    let (ours, brief) = (layer(OURS, DAY / 2), layer(OURS, Duration::from_secs(1)));
    let (genuine, foreign) = (cookie(&ours), cookie(&layer(STRANGER, DAY / 2)));
    let late = cookie(&brief);
    std::thread::sleep(Duration::from_millis(2100));
    Contestant::new("seshcookie")
        .with(
            What::Untouched,
            served(ours.layer(service_fn(untouched)), Some(genuine.clone())),
        )
        .with(What::Seal, served(ours.layer(service_fn(start(visit(size)))), None))
        .with(What::Open, served(ours.layer(service_fn(reads)), Some(genuine.clone())))
        .with(
            What::FlippedBit,
            served(
                ours.layer(service_fn(finds_none)),
                Some(changed(&genuine, flipped_cookie)),
            ),
        )
        .with(
            What::UnknownKey,
            served(ours.layer(service_fn(finds_none)), Some(foreign)),
        )
        .with(What::Expired, served(brief.layer(service_fn(finds_none)), Some(late)))
        .with(
            What::Garbage,
            served(
                ours.layer(service_fn(finds_none)),
                Some(changed(&genuine, garbage_cookie)),
            ),
        )
}
