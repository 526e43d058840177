//! fernet.

use super::*;

pub fn fernet_typed(size: usize) -> Contestant {
    let fernet = |index: u8| {
        use base64::Engine as _;
        let key = base64::engine::general_purpose::URL_SAFE.encode(&secret(index)[..32]);
        fernet::Fernet::new(&key).expect("32 bytes")
    };
    let (sealing, opening, late) = (fernet(OURS), fernet(OURS), fernet(OURS));
    let (data, raw) = (visit(size), json(size));
    let yesterday = (SystemTime::now() - DAY).duration_since(SystemTime::UNIX_EPOCH);
    let expired: &'static str = late
        .encrypt_at_time(&raw, yesterday.expect("after 1970").as_secs())
        .leak();
    Contestant::text(
        "fernet + serde_json",
        move || sealing.encrypt(&serde_json::to_vec(&data).expect("a visit serialises")),
        fernet(STRANGER).encrypt(&raw),
        move |text| opening.decrypt_with_ttl(text, LIFE).is_ok_and(|bytes| reads(&bytes)),
    )
    .with(
        What::Expired,
        operation(move || late.decrypt_with_ttl(expired, LIFE).is_err()),
    )
}
