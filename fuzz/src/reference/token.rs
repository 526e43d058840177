//! Steps 1 to 4 of opening (SPEC.md), without vector instructions and without other crates.

use sealed_session::Reason;

/// Which of the two tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Session,
    Activity,
    /// The activity of a session that is bound to a device.
    BoundActivity,
}

/// The bytes that `text` spells, if it is their only spelling in base64url.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bytes, mut pool, mut bits) = (Vec::new(), 0u32, 0);
    for character in text {
        let digit = ALPHABET.iter().position(|known| known == character)?;
        pool = pool << 6 | digit as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((pool >> bits) as u8);
            pool &= (1 << bits) - 1;
        }
    }
    // A whole digit too many, or spare bits that are set, is another spelling.
    (bits < 6 && pool == 0).then_some(bytes)
}

/// Step 2: version and length.
pub fn parse(bytes: &[u8], kind: Kind) -> Result<(), Reason> {
    let (version, fits) = match kind {
        Kind::Session => (1, bytes.len() >= 70),
        Kind::Activity => (2, bytes.len() == 33),
        Kind::BoundActivity => (3, bytes.len() == 49),
    };
    match bytes.first() {
        None => Err(Reason::Malformed),
        Some(&first) if first != version => Err(Reason::UnknownVersion),
        Some(_) if !fits => Err(Reason::Malformed),
        Some(_) => Ok(()),
    }
}

/// Steps 1 to 4: the token's bytes.
pub fn screen(text: &[u8], longest: usize, kind: Kind, ring: &[[u8; 4]], now: u64) -> Result<Vec<u8>, Reason> {
    if text.len() > longest {
        return Err(Reason::Malformed);
    }
    let bytes = decode(text).ok_or(Reason::Malformed)?;
    parse(&bytes, kind)?;
    let expires = expires(&bytes);
    if expires <= now {
        return Err(Reason::Expired);
    }
    if expires > now + 400 * 86_400 + 300 {
        return Err(Reason::ExpiresTooFar);
    }
    if !ring.iter().any(|id| bytes[1..5] == *id) {
        return Err(Reason::UnknownKey);
    }
    Ok(bytes)
}

pub fn expires(bytes: &[u8]) -> u64 {
    bytes[5..9].iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_has_one_spelling() {
        assert_eq!(decode(b""), Some(vec![]));
        assert_eq!(decode(b"QQ"), Some(b"A".to_vec()));
        assert_eq!(decode(b"-_8A"), Some(vec![0xfb, 0xff, 0]));
        for other in ["Q", "QR", "QQ==", "QUJ", "Q Q", "+w", "QQ\n"] {
            assert_eq!(decode(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn the_worked_example_of_the_specification_passes() {
        let ring = [[0x9e, 0x48, 0x59, 0xa4]];
        let token =
            b"AZ5IWaRw2y_At0d-vrGc7zjlSBrJ69mIorxP1s13cHSGQOwFRFXWig_M7_YQg9j16NonDBtDPA0ilWTVMcW75i_WrH2y4jh-NFRAYPkQ";
        let seen = b"Ap5IWaRw2o4It0d-vrGc7zhL_Jb6lvIvv9QsYMhyiXyV";
        let screened = |token: &[u8], kind, now| screen(token, 4087, kind, &ring, now).map(|bytes| bytes.len());
        assert_eq!(screened(token, Kind::Session, 1_893_369_660), Ok(78));
        assert_eq!(screened(seen, Kind::Activity, 1_893_369_660), Ok(33));
        assert_eq!(
            screened(seen, Kind::Session, 1_893_369_660),
            Err(Reason::UnknownVersion)
        );
        assert_eq!(screened(token, Kind::Session, 1_893_412_800), Err(Reason::Expired));
        assert_eq!(
            screened(token, Kind::Session, 1_800_000_000),
            Err(Reason::ExpiresTooFar)
        );
        assert_eq!(
            screened(&token[..92], Kind::Session, 1_893_369_660),
            Err(Reason::Malformed)
        );
        assert_eq!(
            screen(token, 4087, Kind::Session, &[], 1_893_369_660),
            Err(Reason::UnknownKey)
        );
    }
}
