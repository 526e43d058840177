//! fernet.

use super::*;

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
