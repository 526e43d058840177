//! Tokens that differ from a genuine one in a chosen place. The places are those of SPEC.md.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fastrand::Rng;

pub(crate) const ID: usize = 9;
pub(crate) const SALT: usize = 17;
pub(crate) const CHECK: usize = 29;
pub(crate) const CHECK_LEN: usize = 16;
pub(crate) const BODY: usize = CHECK + CHECK_LEN;
pub(crate) const TAG_LEN: usize = 16;
/// Different inputs of one class.
pub(crate) const POOL: usize = 1024;

pub(crate) fn decoded(token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token).expect("a token")
}

/// The token with one bit of the byte `at` changed.
pub(crate) fn flip(rng: &mut Rng, token: &[u8], at: usize) -> String {
    let mut token = token.to_vec();
    token[at] ^= 1 << rng.u8(..8);
    URL_SAFE_NO_PAD.encode(token)
}

/// A pool of such tokens.
pub(crate) fn flipped(rng: &mut Rng, token: &[u8], at: usize) -> Vec<String> {
    (0..POOL).map(|_| flip(rng, token, at)).collect()
}

/// The token with 16 random bytes from `start` on, the same for all of the pool or new ones for `each`.
pub(crate) fn random(rng: &mut Rng, token: &[u8], start: usize, each: bool) -> Vec<String> {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes);
    let mut change = |_| {
        if each {
            rng.fill(&mut bytes);
        }
        let mut token = token.to_vec();
        token[start..start + 16].copy_from_slice(&bytes);
        URL_SAFE_NO_PAD.encode(token)
    };
    (0..POOL).map(&mut change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_token_differs_in_one_bit_of_that_byte() {
        let token: Vec<u8> = (0..100).collect();
        for at in [ID, SALT, CHECK, BODY, 99] {
            for text in flipped(&mut Rng::with_seed(1), &token, at) {
                let other = decoded(&text);
                let differs = |&at: &usize| other[at] != token[at];
                assert!((0..100).filter(differs).eq([at]));
                assert_eq!((other[at] ^ token[at]).count_ones(), 1);
            }
        }
    }

    #[test]
    fn random_tokens_are_the_same_or_all_different() {
        let rng = &mut Rng::with_seed(1);
        let [same, different] = [false, true].map(|each| random(rng, &[0; 100], CHECK, each));
        assert!(same.iter().all(|text| text == &same[0]));
        assert!(different.iter().skip(1).all(|text| text != &different[0]));
    }
}
