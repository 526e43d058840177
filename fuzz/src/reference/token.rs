//! Steps 1 to 4 and 5b of opening (SPEC.md), without vector instructions and without other crates.

use sealed_session::Reason;

use crate::reference::cookie_field::{Cookie, values};
use crate::reference::seal::ALPHABET;

/// Which of the tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In one cookie, or the first cookie of several.
    Session,
    /// A sealed value, which has the format of a session in one cookie.
    Value,
    Activity,
    /// The activity of a session that is bound to a device.
    BoundActivity,
}

/// What each character stands for.
const DIGITS: [u8; 256] = {
    let (mut digits, mut digit) = ([NONE; 256], 0);
    while digit < ALPHABET.len() {
        digits[ALPHABET[digit] as usize] = digit as u8;
        digit += 1;
    }
    digits
};

/// No digit.
const NONE: u8 = 64;

/// The bytes that `text` spells, if it is their only spelling in base64url.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, mut pool, mut bits) = (Vec::with_capacity(text.len()), 0u32, 0);
    for &character in text {
        let digit = DIGITS[usize::from(character)];
        if digit == NONE {
            return None;
        }
        pool = pool << 6 | u32::from(digit);
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
        // Head and check are there, and the head says how many cookies there are.
        Kind::Session if bytes.first() == Some(&7) => (7, bytes.len() >= 46 && matches!(bytes[29], 2..=4)),
        Kind::Session | Kind::Value => (1, bytes.len() >= 70),
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

/// How many characters a full cookie has, whose name has so many bytes.
pub fn full(name: usize) -> usize {
    4 * ((4096 - name) / 4)
}

/// Step 5b: the text of the other cookies of a session in chunks, without their ties; or the number of the first one that
/// is missing. Step 4 has passed for `first`, the value of the session cookie.
pub fn other_cookies(cookies: &[Cookie], name: &str, first: &[u8]) -> Result<Vec<u8>, u8> {
    let bytes = decode(first).expect("step 1 has passed");
    let (tie, chunks) = (&first[40..48], bytes[29]);
    let full = full(name.len() + 2);
    let mut text = Vec::new();
    for number in 2..=chunks {
        let shortest = if number == chunks { 9 } else { full };
        let mut came = values(cookies, format!("{name}.{number}").as_bytes());
        came.retain(|value| value.starts_with(tie) && (shortest..=full).contains(&value.len()));
        came.retain(|value| decode(value).is_some());
        let taken = came.first().ok_or(number)?;
        text.extend_from_slice(&taken[8..]);
    }
    Ok(text)
}

/// Steps 1 to 4: the token's bytes.
pub fn screen(text: &[u8], longest: usize, kind: Kind, ring: &[[u8; 4]], now: u64) -> Result<Vec<u8>, Reason> {
    if text.len() > longest {
        return Err(Reason::Malformed);
    }
    let bytes = decode(text).ok_or(Reason::Malformed)?;
    parse(&bytes, kind)?;
    if bytes[0] == 7 && text.len() != longest / 4 * 4 {
        return Err(Reason::Malformed);
    }
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
    use crate::reference::cookie_field::cookies;
    use crate::reference::seal::encode;

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
    fn of_the_cookies_with_the_tie_the_first_of_its_length_is_taken() {
        let mut bytes = vec![0; 3063];
        (bytes[0], bytes[29]) = (7, 3);
        let first = encode(&bytes);
        let first = &*first;
        assert_eq!((first.len(), full(9), full(11)), (4084, 4084, 4084));
        let other = |tie: &str, length| format!("{tie}{}", "A".repeat(length));
        let found = |sent: &[(u8, String)]| {
            let fields: Vec<String> = sent
                .iter()
                .map(|(at, value)| format!("__Host-id.{at}={value}"))
                .collect();
            let fields: Vec<&[u8]> = fields.iter().map(String::as_bytes).collect();
            other_cookies(&cookies(&fields), "__Host-id", first).map(|text| text.len())
        };
        let (tie, full) = ("A".repeat(8), other("", 4084));
        assert_eq!(found(&[]), Err(2));
        assert_eq!(found(&[(2, full.clone())]), Err(3));
        assert_eq!(found(&[(3, other(&tie, 2)), (2, full.clone())]), Ok(4076 + 2));
        for (number, wrong) in [
            (2, other("AAAAAAAB", 4076)),
            (2, other(&tie, 4072)),
            (2, other(&tie, 4080)),
            (3, tie.clone()),
            (3, other(&tie, 4080)),
            (3, other(&tie, 1)),
        ] {
            let last = (3, other(&tie, 3));
            let right = [(2, full.clone()), last.clone(), (3, other(&tie, 4)), (4, full.clone())];
            assert_eq!(found(&[&[(number, wrong.clone())], &right[..]].concat()), Ok(4076 + 3));
            let without = right.into_iter().filter(|(other, _)| *other != number);
            let all: Vec<_> = without.chain([(number, wrong)]).collect();
            assert_eq!(found(&all), Err(number));
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
