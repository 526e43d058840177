//! The cookies of a `Cookie` field, read piece by piece (SPEC.md, *Reading*).

/// A cookie's name and value.
pub type Cookie<'a> = (&'a [u8], &'a [u8]);

/// All cookies, in order.
pub fn cookies<'a>(fields: &[&'a [u8]]) -> Vec<Cookie<'a>> {
    let pairs = fields.iter().flat_map(|field| field.split(|&byte| byte == b';'));
    let cookie = |pair: &'a [u8]| {
        let equals = pair.iter().position(|&byte| byte == b'=')?;
        Some((trimmed(&pair[..equals]), trimmed(&pair[equals + 1..])))
    };
    pairs.filter_map(cookie).filter(|(name, _)| !name.is_empty()).collect()
}

/// The values of all that are called `name`, in order.
pub fn values(cookies: &[Cookie], name: &[u8]) -> Vec<Vec<u8>> {
    let named = cookies.iter().filter(|cookie| cookie.0 == name);
    named.map(|(_, value)| value.to_vec()).collect()
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
        let read = |field: &[u8]| values(&cookies(&[field, b"id=last"]), b"id");
        assert_eq!(read(b""), [b"last"]);
        assert_eq!(read(b"id=a; x=1;\tid = b\t"), [&b"a"[..], b"b", b"last"]);
        assert_eq!(read(b"id; =id; ID=a; %69d=a; \"id\"=a; \xa0id=a; a, id=a"), [b"last"]);
        assert_eq!(read(b"id=\"a; b\"; id==\xff"), [&b"\"a"[..], b"=\xff", b"last"]);
    }
}
