//! josekit: dir/A256GCM.

use super::*;

mod jose {
    pub use josekit::jwe::alg::direct::{DirectJweDecrypter, DirectJweEncrypter};
    pub use josekit::jwe::{Dir, JweHeader};
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
