//! The cookies of a `Cookie` field, read character by character (SPEC.md, *Reading*).

/// The values of all cookies called `name`, in order.
pub fn values(fields: &[&[u8]], name: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for field in fields {
        let mut pair = Vec::new();
        for &byte in field.iter().chain(b";") {
            if byte != b';' {
                pair.push(byte);
                continue;
            }
            let whole = std::mem::take(&mut pair);
            let Some(equals) = whole.iter().position(|&byte| byte == b'=') else {
                continue;
            };
            let this = trimmed(&whole[..equals]);
            if !this.is_empty() && this == name {
                found.push(trimmed(&whole[equals + 1..]));
            }
        }
    }
    found
}

/// Without space and tab at both ends.
pub fn trimmed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    while matches!(bytes.last(), Some(b' ' | b'\t')) {
        bytes.pop();
    }
    while matches!(bytes.first(), Some(b' ' | b'\t')) {
        bytes.remove(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_read_literally() {
        let read = |field: &[u8]| values(&[field, b"id=last"], b"id");
        assert_eq!(read(b""), [b"last"]);
        assert_eq!(read(b"id=a; x=1;\tid = b\t"), [&b"a"[..], b"b", b"last"]);
        assert_eq!(read(b"id; =id; ID=a; %69d=a; \"id\"=a; \xa0id=a; a, id=a"), [b"last"]);
        assert_eq!(read(b"id=\"a; b\"; id==\xff"), [&b"\"a"[..], b"=\xff", b"last"]);
    }
}
