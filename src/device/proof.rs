//! The proof that a browser sends: a JSON Web Signature in compact form (RFC 7515), signed with ES256 (RFC 7518).

use serde_json::Value;

use crate::aead::DeviceKey;
use crate::token::base64url;

/// More than any proof of ours has. A longer one is refused before it is read.
const LONGEST: usize = 2048;

/// A proof whose signature is not verified yet.
pub(super) struct Proof<'t> {
    /// What was signed.
    signed: &'t str,
    header: Value,
    /// The challenge that it answers.
    pub(super) challenge: String,
    signature: Option<[u8; 64]>,
}

impl<'t> Proof<'t> {
    /// Reads the value of `Secure-Session-Response`; `None` if it is no proof. Unknown members are left alone: browsers
    /// may add claims.
    pub(super) fn parse(field: &'t str) -> Option<Self> {
        let text = unquoted(field);
        if text.len() > LONGEST {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let challenge = json(payload)?["jti"].as_str()?.to_owned();
        Some(Self {
            signed,
            header: json(header)?,
            challenge,
            signature: bytes(signature),
        })
    }

    /// The key that came with the proof, if that key signed it.
    pub(super) fn by_key_that_came(&self) -> Option<DeviceKey> {
        let jwk = &self.header["jwk"];
        if jwk["kty"] != "EC" || jwk["crv"] != "P-256" {
            return None;
        }
        let coordinate = |name: &str| bytes(jwk[name].as_str()?);
        let key = DeviceKey::from_coordinates(&coordinate("x")?, &coordinate("y")?)?;
        self.is_signed_by(&key).then_some(key)
    }

    /// Whether a registered key signed the proof. A proof that brings a key does not prove a registered one.
    pub(super) fn is_by(&self, key: &DeviceKey) -> bool {
        self.header.get("jwk").is_none() && self.is_signed_by(key)
    }

    fn is_signed_by(&self, key: &DeviceKey) -> bool {
        let is_ours = self.header["alg"] == "ES256" && self.header["typ"] == "dbsc+jwt";
        let signature = self.signature.filter(|_| is_ours);
        signature.is_some_and(|signature| key.verify(self.signed.as_bytes(), &signature))
    }
}

/// The value of a string in a structured field (RFC 9651). Chromium writes it without quotes.
pub(super) fn unquoted(field: &str) -> &str {
    let field = field.trim_matches([' ', '\t']);
    let inside = field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.unwrap_or(field)
}

fn json(part: &str) -> Option<Value> {
    serde_json::from_slice(&base64url::decode(part.as_bytes())?).ok()
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = base64url::decode(text.as_bytes())?;
    bytes.first_chunk().copied().filter(|_| bytes.len() == N)
}
