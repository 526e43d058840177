//! pasetors: v4.local.

use super::*;

mod paseto {
    pub use pasetors::claims::{Claims, ClaimsValidationRules};
    pub use pasetors::keys::SymmetricKey;
    pub use pasetors::token::UntrustedToken;
    pub use pasetors::version4::V4;
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
