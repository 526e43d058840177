//! jsonwebtoken: HS256.

use super::*;

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
        "jsonwebtoken HS256 (signed only: not encrypted)",
        seal(OURS, visit(size), LIFE as i64),
        foreign,
        move |text| open(text),
    )
    .with(What::Expired, operation(move || !of_expired(expired)))
}
