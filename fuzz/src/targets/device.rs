//! Arbitrary bytes at the endpoints of device binding: nothing panics, the status is the one that SPEC.md names, and
//! only a proof that the right key signed over the right challenge is answered with 200.
//!
//! Input: the endpoint, the cookies that come, how the proof is made; then lines: the identifier, the proof's header, its
//! payload, its signature. In them `$K` is the device key, `$J` its JSON Web Key, `$C` the challenge to register, `$R`
//! the challenge to refresh, so that seeds do not depend on times or random numbers.

use std::sync::LazyLock;

use sealed_session::device::{Answer, DeviceBinding};
use sealed_session::testing::Browser;
use sealed_session::{RequestFields, Sessions};
use serde_json::Value;
use testkit::device::{SigningKey, base64url, jwk, offer, proof, registration, signed, signing_key};
use testkit::{START, after, ring};

use crate::input::Input;

struct Place {
    sessions: Sessions<u8>,
    /// Cookies of the session: plain, bound and proven, unproven; then of another session, and none.
    jars: [String; 5],
    key: SigningKey,
    identifier: String,
    to_register: String,
    to_refresh: String,
}

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let mut browser = Browser::at(START);
    let binding = DeviceBinding::at("/device");
    let sessions = Sessions::builder(ring()).clock(browser.clock()).device_binding(binding);
    let sessions: Sessions<u8> = sessions.build().expect("a sound configuration");
    let mut headers = Vec::new();
    let mut session = sessions.load(browser.fields());
    session.start(7).expect("it fits");
    session.finish(200, &mut headers);
    browser.receive(&headers);
    let is_offer = |(name, _): &&(String, String)| name == "Secure-Session-Registration";
    let (_, to_register) = offer(&headers.iter().find(is_offer).expect("a sign-in offers").1);
    let key = signing_key([1, 1]);
    let plain = browser.cookie_field();
    let answer = sessions.register_device(&browser.fields(), Some(&registration(&key, &to_register)));
    let told: Value = serde_json::from_str(answer.body()).expect("instructions");
    let identifier = told["session_identifier"].as_str().expect("a text").to_owned();
    let asked = sessions.refresh_device(&browser.fields(), Some(&identifier), None);
    let (_, challenge) = asked.headers().last().expect("a challenge");
    let to_refresh = challenge[1..].split('"').next().expect("a text").to_owned();
    let answer = sessions.refresh_device(&browser.fields(), Some(&identifier), Some(&proof(&key, &to_refresh)));
    assert_eq!(answer.status(), 200);
    for (name, line) in answer.headers() {
        if name == "Set-Cookie" {
            browser.set_cookie(line).expect("a browser keeps it");
        }
    }
    let proven = browser.cookie_field();
    browser.remove("__Host-id-proof");
    let jars = [
        plain,
        proven,
        browser.cookie_field(),
        sessions.cookie_for(8).expect("it fits"),
        String::new(),
    ];
    Place {
        sessions,
        jars,
        key,
        identifier,
        to_register,
        to_refresh,
    }
});

pub fn run(data: &[u8]) {
    let place = &*PLACE;
    let mut input = Input::new(data);
    let (is_refresh, jar, made) = (input.below(2) == 1, input.below(5), input.below(4));
    let mut line = || place.filled(&String::from_utf8_lossy(input.line()));
    let (identifier, header, payload, signature) = (line(), line(), line(), line());
    let proof = match made {
        0 => None,
        1 => Some(signed(&place.key, &header, &payload)),
        2 => Some(format!("\"{}\"", signed(&place.key, &header, &payload))),
        _ => Some(format!(
            "{}.{}.{signature}",
            base64url(header.as_bytes()),
            base64url(payload.as_bytes())
        )),
    };
    let fields = RequestFields::from_cookies([place.jars[jar].clone()]);
    let now = after(1);
    let answer = match is_refresh {
        false => place.sessions.register_device_at(&fields, proof.as_deref(), now),
        true => place
            .sessions
            .refresh_device_at(&fields, Some(&identifier), proof.as_deref(), now),
    };
    assert_can_be_sent(&answer);
    let is_signed = matches!(made, 1 | 2);
    let text = unquoted(proof.as_deref().unwrap_or_default());
    let has_three_parts = text.split('.').count() == 3;
    let proof = Read::new(&header, &payload).filter(|_| has_three_parts && text.len() <= 2048);
    let expected = match is_refresh {
        false => place.registers(jar, is_signed, proof.as_ref()),
        true => place.refreshes(jar, &identifier, is_signed, proof.as_ref(), answer.status()),
    };
    assert_eq!(answer.status(), expected);
    let sets = answer.headers().filter(|(name, _)| *name == "Set-Cookie").count();
    let binds = is_refresh && jar == 0;
    assert_eq!(sets, if expected == 200 { 1 + usize::from(binds) } else { 0 });
}

/// A proof's header and payload, as JSON.
struct Read {
    header: Value,
    challenge: String,
}

impl Read {
    fn new(header: &str, payload: &str) -> Option<Self> {
        let payload: Value = serde_json::from_str(payload).ok()?;
        Some(Self {
            header: serde_json::from_str(header).ok()?,
            challenge: payload["jti"].as_str()?.to_owned(),
        })
    }

    fn is_es256(&self) -> bool {
        self.header["alg"] == "ES256" && self.header["typ"] == "dbsc+jwt"
    }
}

impl Place {
    fn filled(&self, line: &str) -> String {
        line.replace("$K", &self.identifier)
            .replace("$J", &jwk(&self.key).to_string())
            .replace("$C", &self.to_register)
            .replace("$R", &self.to_refresh)
    }

    fn registers(&self, jar: usize, is_signed: bool, proof: Option<&Read>) -> u16 {
        let key = jwk(&self.key);
        let has_key = |proof: &Read| {
            ["kty", "crv", "x", "y"]
                .iter()
                .all(|&name| proof.header["jwk"][name] == key[name])
        };
        let is_good = |proof: &Read| proof.is_es256() && has_key(proof) && proof.challenge == self.to_register;
        if jar == 0 && is_signed && proof.is_some_and(is_good) {
            200
        } else {
            400
        }
    }

    fn refreshes(&self, jar: usize, identifier: &str, is_signed: bool, proof: Option<&Read>, got: u16) -> u16 {
        if unquoted(identifier) != self.identifier {
            // Of a version or a key that another server may know, or not.
            return if got == 503 { 503 } else { 401 };
        }
        match proof {
            _ if jar > 2 => 401,
            Some(proof) if proof.challenge == self.to_refresh => {
                let is_good = is_signed && proof.is_es256() && proof.header.get("jwk").is_none();
                if is_good { 200 } else { 401 }
            }
            _ => 403,
        }
    }
}

fn unquoted(field: &str) -> &str {
    let field = field.trim_matches([' ', '\t']);
    let inner = field.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
    inner.unwrap_or(field)
}

fn assert_can_be_sent(answer: &Answer) {
    for (name, value) in answer.headers() {
        assert!(
            value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '),
            "{name}"
        );
    }
    assert!(
        answer
            .headers()
            .any(|line| line == ("Cache-Control", "private, no-store"))
    );
}

/// Every kind of header and payload at both endpoints, with each jar.
pub fn seeds() -> Vec<Vec<u8>> {
    let headers = [
        r#"{"alg":"ES256","jwk":$J,"typ":"dbsc+jwt"}"#,
        r#"{"alg":"ES256","typ":"dbsc+jwt"}"#,
        r#"{"alg":"none","typ":"dbsc+jwt"}"#,
        r#"{"alg":"ES256","jwk":{"crv":"P-256","kty":"EC","x":"","y":""},"typ":"dbsc+jwt"}"#,
    ];
    let payloads = [r#"{"jti":"$C"}"#, r#"{"jti":"$R"}"#, r#"{"jti":"$K","aud":"x"}"#];
    let mut seeds = Vec::new();
    for (index, (header, payload)) in headers
        .iter()
        .flat_map(|header| payloads.map(|payload| (header, payload)))
        .enumerate()
    {
        for (endpoint, identifier) in [(0, "$K"), (1, "$K"), (1, "\"$K\""), (1, "BQ")] {
            for jar in [0, (index % 5) as u8] {
                let made = if index % 4 == 3 { 3 } else { 1 + index as u8 % 2 };
                let mut seed = vec![endpoint, jar, made];
                seed.extend([identifier, header, payload, &"A".repeat(86)].join("\n").bytes());
                seeds.push(seed);
            }
        }
    }
    seeds
}
