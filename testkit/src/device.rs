//! A browser that binds sessions to its device as Chromium does (Device Bound Session Credentials), without Chromium: it
//! makes keys, writes proofs, and follows instructions, challenges and the cookies' lifetimes. Its time is its
//! [`Browser`]'s clock.

use std::mem;

pub use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer as _;

use p256::ecdsa::Signature;
use sealed_session::testing::{Browser, Cookie};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// A request that the browser makes by itself: a `POST` without a body.
#[derive(Clone, Debug)]
pub struct Post {
    pub path: String,
    /// The value of `Cookie`.
    pub cookies: String,
    /// The value of `Sec-Secure-Session-Id`.
    pub identifier: Option<String>,
    /// The value of `Secure-Session-Response`.
    pub proof: Option<String>,
}

/// The answer to it; `None` if the server cannot be reached.
pub type Reply = Option<Answered>;

#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// The browser. A clone is a copy of the whole device; clone its `browser` for a thief's copy of the cookies.
#[derive(Clone)]
pub struct Device {
    pub browser: Browser,
    /// What it has been told to bind, the oldest first.
    pub bindings: Vec<Binding>,
    /// The offers of registration that it has not taken up yet: it does so after the page has loaded.
    offers: Vec<(String, String)>,
    keys: u8,
    seed: u8,
    /// When it signed something.
    signed: Vec<OffsetDateTime>,
    /// How many posts to refresh it has made.
    pub refreshes: usize,
}

/// A session that is bound by the browser's lights.
#[derive(Clone)]
pub struct Binding {
    pub identifier: String,
    pub key: SigningKey,
    refresh_url: String,
    cookie: String,
    excluded: Vec<String>,
    initiators: Vec<String>,
    /// The challenge that came last and the proof that answers it: both are used until a server refuses them.
    challenge: Option<String>,
    proof: Option<String>,
}

/// Who begins a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From<'a> {
    /// A page of the application, a typed address or a bookmark.
    Here,
    /// A page of this host.
    Host(&'a str),
}

impl Device {
    /// A number always gives the same keys.
    pub fn new(browser: Browser, seed: u8) -> Self {
        Self {
            browser,
            bindings: Vec::new(),
            offers: Vec::new(),
            keys: 0,
            seed,
            signed: Vec::new(),
            refreshes: 0,
        }
    }

    /// Before a request: refreshes what lacks its cookie. The request is held meanwhile.
    pub fn before(&mut self, path: &str, from: From<'_>, server: &mut dyn FnMut(&Post) -> Reply) {
        let due = |device: &Self, binding: &Binding| device.browser.cookie(&binding.cookie).is_none();
        self.refresh_those(path, from, due, server);
    }

    /// Beside a request: refreshes what has less than two minutes left. No request is held.
    pub fn beside(&mut self, path: &str, from: From<'_>, server: &mut dyn FnMut(&Post) -> Reply) {
        let due = |device: &Self, binding: &Binding| {
            let soon = device.browser.now() + time::Duration::minutes(2);
            let cookie = device.browser.cookie(&binding.cookie);
            cookie.is_some_and(|cookie| cookie.expires.is_some_and(|expires| expires <= soon))
        };
        self.refresh_those(path, from, due, server);
    }

    /// Takes the cookies, the offers and the challenges of a response.
    #[track_caller]
    pub fn receive(&mut self, headers: &[(String, String)]) {
        for (name, value) in headers {
            match name.to_ascii_lowercase().as_str() {
                "set-cookie" => self.browser.set_cookie(value).expect("a browser keeps it"),
                "secure-session-registration" => self.offers.push(offer(value)),
                "secure-session-challenge" => self.take_challenge(value),
                _ => {}
            }
        }
    }

    /// Whether a response offered to register, and that has not been done yet.
    pub fn has_offer(&self) -> bool {
        !self.offers.is_empty()
    }

    /// Registers what was offered, unless the quota is used up.
    #[track_caller]
    pub fn register(&mut self, server: &mut dyn FnMut(&Post) -> Reply) {
        for (path, challenge) in mem::take(&mut self.offers) {
            if !self.may_sign() {
                continue;
            }
            self.keys += 1;
            let key = signing_key([self.seed, self.keys]);
            let answered = server(&Post {
                path,
                cookies: self.browser.cookie_field(),
                identifier: None,
                proof: Some(registration(&key, &challenge)),
            });
            if let Some(answered) = answered.filter(|answered| answered.status == 200) {
                let binding = instructed(&answered, key);
                self.receive(&answered.headers);
                self.bindings.push(binding);
            }
        }
    }

    fn refresh_those(
        &mut self,
        path: &str,
        from: From<'_>,
        is_due: impl Fn(&Self, &Binding) -> bool,
        server: &mut dyn FnMut(&Post) -> Reply,
    ) {
        for mut binding in mem::take(&mut self.bindings) {
            let asked = binding.covers(path) && binding.lets_refresh(from) && is_due(self, &binding);
            if !asked || self.refresh(&mut binding, from, server) {
                self.bindings.push(binding);
            }
        }
    }

    /// Returns whether the binding goes on.
    fn refresh(&mut self, binding: &mut Binding, from: From<'_>, server: &mut dyn FnMut(&Post) -> Reply) -> bool {
        // With cookies that the browser withholds from other sites' requests.
        let is_sent = |cookie: &&Cookie| from == From::Here || cookie.same_site.is_none();
        for _ in 0..4 {
            if binding.proof.is_none()
                && let Some(challenge) = &binding.challenge
            {
                if !self.may_sign() {
                    return true;
                }
                binding.proof = Some(proof(&binding.key, challenge));
            }
            let cookies = self.browser.cookies().filter(is_sent);
            let cookies: Vec<_> = cookies
                .map(|cookie| format!("{}={}", cookie.name, cookie.value))
                .collect();
            self.refreshes += 1;
            let answered = server(&Post {
                path: binding.refresh_url.clone(),
                cookies: cookies.join("; "),
                identifier: Some(binding.identifier.clone()),
                proof: binding.proof.clone(),
            });
            let Some(answered) = answered else { return true };
            match answered.status {
                200 => {
                    assert_eq!(
                        answered.body, "",
                        "a repeated JSON makes the browser forget its challenge"
                    );
                    self.receive(&answered.headers);
                    return true;
                }
                500.. => return true,
                403 => {}
                _ => return false,
            }
            (binding.proof, binding.challenge) = (None, None);
            for (name, value) in &answered.headers {
                if name.eq_ignore_ascii_case("Secure-Session-Challenge") {
                    binding.take_challenge(value);
                }
            }
            if binding.challenge.is_none() {
                return false;
            }
        }
        false
    }

    fn take_challenge(&mut self, field: &str) {
        self.bindings
            .iter_mut()
            .for_each(|binding| binding.take_challenge(field));
    }

    /// Chromium's quota of signatures, which it counts for the registrable domain.
    fn may_sign(&mut self) -> bool {
        let now = self.browser.now();
        self.signed.retain(|signed| now - *signed < time::Duration::minutes(9));
        let may = self.signed.len() < 6;
        if may {
            self.signed.push(now);
        }
        may
    }
}

impl Binding {
    fn covers(&self, path: &str) -> bool {
        let is_below = |of: &String| {
            path.strip_prefix(of.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        path != self.refresh_url && !self.excluded.iter().any(is_below)
    }

    fn lets_refresh(&self, from: From<'_>) -> bool {
        match from {
            From::Here => true,
            From::Host(host) => self.initiators.iter().any(|allowed| allowed == host),
        }
    }

    /// `"challenge";id="identifier"`
    fn take_challenge(&mut self, field: &str) {
        if let Some((challenge, id)) = field.split_once(";id=")
            && unquoted(id) == self.identifier
        {
            (self.challenge, self.proof) = (Some(unquoted(challenge).to_owned()), None);
        }
    }
}

/// The key with this number.
pub fn signing_key(number: [u8; 2]) -> SigningKey {
    let mut secret = [7; 32];
    secret[30..].copy_from_slice(&number);
    SigningKey::from_slice(&secret).expect("between 1 and the order of the curve")
}

/// The proof with which Chromium registers a key.
pub fn registration(key: &SigningKey, challenge: &str) -> String {
    let header = json!({ "alg": "ES256", "jwk": jwk(key), "typ": "dbsc+jwt" });
    signed(key, &header.to_string(), &json!({ "jti": challenge }).to_string())
}

/// The proof with which Chromium refreshes.
pub fn proof(key: &SigningKey, challenge: &str) -> String {
    let header = json!({ "alg": "ES256", "typ": "dbsc+jwt" });
    signed(key, &header.to_string(), &json!({ "jti": challenge }).to_string())
}

/// The public key as a JSON Web Key.
pub fn jwk(key: &SigningKey) -> Value {
    let point = key.verifying_key().to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(32);
    json!({ "crv": "P-256", "kty": "EC", "x": base64url(x), "y": base64url(y) })
}

/// Any header and any payload, signed.
pub fn signed(key: &SigningKey, header: &str, payload: &str) -> String {
    let text = format!("{}.{}", base64url(header.as_bytes()), base64url(payload.as_bytes()));
    let signature: Signature = key.sign(text.as_bytes());
    format!("{text}.{}", base64url(&signature.to_bytes()))
}

pub fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .expect("a string of a structured field")
}

/// The path and the challenge of `(ES256);path="/device/register";challenge="…"`.
#[track_caller]
pub fn offer(field: &str) -> (String, String) {
    let rest = field.strip_prefix("(ES256);path=").expect("an offer of ES256");
    let (path, challenge) = rest.split_once(";challenge=").expect("a challenge");
    (unquoted(path).to_owned(), unquoted(challenge).to_owned())
}

/// Reads the instructions as strictly as Chromium, which says nothing when it refuses them. It compares the attributes
/// with those of the cookie that comes: with others it asks for a proof before each request.
#[track_caller]
fn instructed(answered: &Answered, key: SigningKey) -> Binding {
    let told: Value = serde_json::from_str(&answered.body).expect("instructions are JSON");
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let texts = |value: &Value| {
        value
            .as_array()
            .map(|all| all.iter().map(text).collect())
            .unwrap_or_default()
    };
    assert_eq!(told["scope"]["include_site"], false);
    let rules = told["scope"]["scope_specification"].as_array().expect("rules");
    for rule in rules {
        assert_eq!((&rule["type"], &rule["domain"]), (&json!("exclude"), &json!("*")));
    }
    let [credential] = &told["credentials"].as_array().expect("credentials")[..] else {
        panic!("one credential");
    };
    assert_eq!(credential["type"], "cookie");
    let (cookie, attributes) = (text(&credential["name"]), text(&credential["attributes"]));
    let has_line = answered.headers.iter().any(|(name, value)| {
        let is_it = name.eq_ignore_ascii_case("Set-Cookie") && value.starts_with(&format!("{cookie}="));
        is_it && told_attributes(value.split_once(';').map_or("", |(_, rest)| rest)) == told_attributes(&attributes)
    });
    assert!(
        has_line,
        "a cookie with the attributes `{attributes}` comes with the instructions"
    );
    assert!(
        !attributes.to_ascii_lowercase().contains("max-age"),
        "the browser refuses `Max-Age`"
    );
    Binding {
        identifier: text(&told["session_identifier"]),
        key,
        refresh_url: text(&told["refresh_url"]),
        cookie,
        excluded: rules.iter().map(|rule| text(&rule["path"])).collect(),
        initiators: texts(&told["allowed_refresh_initiators"]),
        challenge: None,
        proof: None,
    }
}

/// Those that the browser compares: neither `Max-Age` nor `Expires`.
fn told_attributes(line: &str) -> Vec<String> {
    let attributes = line.split(';').map(|part| part.trim().to_ascii_lowercase());
    let mut attributes: Vec<_> = attributes
        .filter(|part| !part.is_empty() && !part.starts_with("max-age") && !part.starts_with("expires"))
        .collect();
    attributes.sort();
    attributes
}
