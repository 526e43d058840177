//! Sessions on `wasm32-unknown-unknown` without the feature `wasm_js`: no clock, no random bytes, no files, no threads.
//! What needs one of these is refused, and nothing panics. A failure here is a trap, since there is nowhere to print.

use std::time::Duration;

use sealed_session::revocation::{RevocationFile, Revocations};
use sealed_session::sealer::SealError;
use sealed_session::{Key, KeyRing, RequestFields, Sealer, SessionState, Sessions};
use time::OffsetDateTime;

fn main() {
    assert!(Key::generate().is_err(), "there are no random bytes");
    let secret: Vec<u8> = (0..32).collect();
    let key = Key::from_raw_secret(&secret).expect("32 distinct bytes");
    let text = KeyRing::new(key).write_with_secrets().expose().to_owned();
    let ring = || KeyRing::parse(&text).expect("what was written");

    let refused = Sessions::<u64>::builder(ring()).build().expect_err("there is no clock");
    assert!(refused.to_string().contains("`wasm_js`"), "it says what to change");

    let clock = || OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_800_010_000);
    let sessions = Sessions::<u64>::builder(ring())
        .clock(clock)
        .build()
        .expect("a clock was given");
    let session = sessions.load(RequestFields::from_cookies(["__Host-id=made-up"]));
    assert!(matches!(session.state(), SessionState::Rejected(_)));
    let source = move || KeyRing::parse("");
    assert!(sessions.reload_from(source).every(Duration::from_secs(10)).is_err());

    let sealer = Sealer::new(ring(), "link").expect("a purpose");
    assert_eq!(sealer.seal(b"ada", Duration::from_secs(60)), Err(SealError::Expiry));
    let sealed_at = sealer.seal_at(b"ada", Duration::from_secs(60), clock());
    assert_eq!(sealed_at, Err(SealError::RandomSource));
    assert!(sealer.open("made-up").is_err());

    assert!(KeyRing::from_file_or_new("keys").is_err());
    assert!(RevocationFile::open("revoked", Revocations::new()).is_err());
    assert!(RevocationFile::in_directory("revoked", Revocations::new()).is_err());
}
