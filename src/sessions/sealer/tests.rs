//! Tests of `sealer.rs`.

use super::*;
use crate::keys::key::Key;

fn sealer(ring: &Arc<KeyRing>, purpose: &str, audience: &str) -> Sealer {
    Sealer::new(Arc::clone(ring), purpose)
        .unwrap()
        .with_audience(audience)
        .unwrap()
}

fn at(seconds: u64) -> OffsetDateTime {
    from_seconds(seconds)
}

fn until(bind: &[u8], expires: OffsetDateTime, now: OffsetDateTime) -> SealOptions<'_> {
    SealOptions::valid_for((expires - now).unsigned_abs()).bind(bind)
}

#[test]
fn a_value_opens_for_its_purpose_audience_bind_and_time_only() {
    let ring = Arc::new(KeyRing::new(Key::generate().unwrap()));
    let links = sealer(&ring, "magic-link", "shop");
    let token = links
        .seal_at(b"ada", until(b"device", at(2000), at(1000)), at(1000))
        .unwrap();
    let value = links.open_at(&token, b"device", at(1999)).unwrap();
    assert_eq!(value.payload(), b"ada");
    assert_eq!((value.sealed(), value.expires()), (at(1000), at(2000)));
    let reason = |sealer: &Sealer, bind: &[u8], now| sealer.open_at(&token, bind, at(now)).unwrap_err().reason();
    assert_eq!(reason(&links, b"device", 2000), Reason::Expired);
    assert_eq!(reason(&links, b"", 1999), Reason::NotOurs);
    assert_eq!(
        reason(&sealer(&ring, "oauth-state", "shop"), b"device", 1999),
        Reason::NotOurs
    );
    assert_eq!(
        reason(&sealer(&ring, "magic-link", "blog"), b"device", 1999),
        Reason::NotOurs
    );
    assert!(links.open_at(&token, b"device", at(700)).is_ok());
    assert_eq!(reason(&links, b"device", 699), Reason::StartedInFuture);
    let digits = value.id().to_string();
    assert!(digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let stranger = Arc::new(KeyRing::new(Key::generate().unwrap()));
    assert_eq!(
        reason(&sealer(&stranger, "magic-link", "shop"), b"device", 1999),
        Reason::UnknownKey
    );
    assert_eq!(
        format!("{value:?}"),
        format!("OpenedValue({}, expires at 2000)", value.id())
    );
}

#[test]
fn a_value_outlives_the_rotation_of_its_key_as_long_as_the_ring_opens_it() {
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let (old, new) = (old.write_with_secret(), new.write_with_secret());
    let key = |text: &crate::keys::key::SecretText| Key::parse(text.expose()).unwrap();
    let links = Sealer::new(KeyRing::new(key(&old)), "magic-link").unwrap();
    let token = links.seal_at(b"ada", until(b"", at(2000), at(1000)), at(1000)).unwrap();
    links.replace_keys(KeyRing::new(key(&new)).also_opening(key(&old)).unwrap());
    assert_eq!(links.open_at(&token, b"", at(1500)).unwrap().payload(), b"ada");
    links.replace_keys(KeyRing::new(key(&new)));
    assert_eq!(
        links.open_at(&token, b"", at(1500)).unwrap_err().reason(),
        Reason::UnknownKey
    );
}

#[test]
fn impossible_values_are_refused() {
    let ring = Arc::new(KeyRing::new(Key::generate().unwrap()));
    let links = sealer(&ring, "magic-link", "");
    assert_eq!(
        links.seal_at(b"", until(b"", at(1000), at(1000)), at(1000)),
        Err(SealError::Expiry)
    );
    assert_eq!(
        links.seal_at(b"", until(b"", at(401 * 86_400), at(0)), at(0)),
        Err(SealError::Expiry)
    );
    assert_eq!(
        links.seal_at(
            b"",
            until(b"", at(u64::from(u32::MAX) + 1), at(u32::MAX.into())),
            at(u32::MAX.into())
        ),
        Err(SealError::Expiry)
    );
    let largest = 8192 / 4 * 3 - OVERHEAD;
    assert_eq!(
        links
            .seal_at(&vec![0; largest], until(b"", at(9), at(0)), at(0))
            .unwrap()
            .len(),
        8192
    );
    assert!(matches!(
        links.seal_at(&vec![0; largest + 1], until(b"", at(9), at(0)), at(0)),
        Err(SealError::TooLarge {
            size: 8194,
            limit: 8192,
            ..
        })
    ));
    assert!(Sealer::new(Arc::clone(&ring), "").is_err());
    assert!(Sealer::new(Arc::clone(&ring), &"x".repeat(254)).is_ok());
    assert!(Sealer::new(Arc::clone(&ring), &"x".repeat(255)).is_err());
    assert!(Sealer::new(ring, "x").unwrap().with_audience(&"x".repeat(256)).is_err());
}
