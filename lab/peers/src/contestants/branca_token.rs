//! branca.

use super::*;

pub fn branca_typed(size: usize) -> Contestant {
    let keys: [[u8; 32]; 2] = [OURS, STRANGER].map(|index| *secret(index).first_chunk().expect("32 of 64 bytes"));
    let (data, raw) = (visit(size), json(size));
    let unix = || u32::try_from(OffsetDateTime::now_utc().unix_timestamp()).expect("before 2106");
    let foreign = branca::encode(&raw, &keys[1], unix()).expect("it encodes");
    let expired: &'static str = branca::encode(&raw, &keys[0], unix() - 86_400)
        .expect("it encodes")
        .leak();
    let open = move |text: &'static str| branca::decode(text, &keys[0], LIFE as u32).is_ok_and(|bytes| reads(&bytes));
    Contestant::text(
        "branca + serde_json",
        move || {
            let serialised = serde_json::to_vec(&data).expect("a visit serialises");
            branca::encode(&serialised, &keys[0], unix()).expect("it encodes")
        },
        foreign,
        open,
    )
    .with(What::Expired, operation(move || !open(expired)))
}
