//! The cookies of a `Cookie` field, read piece by piece (SPEC.md, *Reading*).

/// The values of all cookies called `name`, in order.
pub fn values(fields: &[&[u8]], name: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for pair in fields.iter().flat_map(|field| field.split(|&byte| byte == b';')) {
        let Some(equals) = pair.iter().position(|&byte| byte == b'=') else {
            continue;
        };
        let this = trimmed(&pair[..equals]);
        if !this.is_empty() && this == name {
            found.push(trimmed(&pair[equals + 1..]).to_vec());
        }
    }
    found
}

/// Without space and tab at both ends.
pub fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
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
