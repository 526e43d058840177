//! cookie: `PrivateJar`.

use super::*;

mod private_jar {
    pub use cookie::{Cookie, CookieJar, Key, SameSite};

    use super::secret;

    pub fn key(index: u8) -> Key {
        Key::from(&secret(index))
    }

    /// The sealed value, read where the jar keeps it.
    pub fn sealed(key: &Key, text: String) -> CookieJar {
        let mut jar = CookieJar::new();
        jar.private_mut(key).add(Cookie::new("id", text));
        jar
    }

    pub fn value(key: &Key, text: String) -> String {
        sealed(key, text).get("id").expect("just added").value().to_owned()
    }

    pub fn opened(key: &Key, value: &'static str) -> Option<Cookie<'static>> {
        CookieJar::new().private(key).decrypt(Cookie::new("id", value))
    }
}

pub fn private_jar_typed(size: usize) -> Contestant {
    use private_jar::*;
    let (ours, data) = (key(OURS), visit(size));
    let foreign = value(&key(STRANGER), to_text(&visit(size)));
    let of_open = ours.clone();
    let mut it = Contestant::text(
        "cookie `PrivateJar` + serde_json",
        move || value(&ours, to_text(&data)),
        foreign,
        move |text| opened(&of_open, text).is_some_and(|cookie| serde_json::from_str::<Visit>(cookie.value()).is_ok()),
    );
    let (ours, data) = (key(OURS), visit(size));
    it = it.with(
        What::Seal,
        operation(move || sealed(&ours, to_text(&data)).get("id").is_some()),
    );
    it
}

/// From the Cookie header to the data, and from the data to `Set-Cookie`.
pub fn private_jar_request(size: usize) -> Contestant {
    use private_jar::*;
    fn jar_of(header: &'static str) -> CookieJar {
        let mut jar = CookieJar::new();
        for cookie in Cookie::split_parse(header).flatten() {
            jar.add_original(cookie);
        }
        jar
    }
    fn set_cookie(key: &Key, data: &Visit) -> String {
        let mut jar = CookieJar::new();
        let cookie = Cookie::build(("__Host-id", to_text(data)))
            .path("/")
            .secure(true)
            .http_only(true)
            .same_site(SameSite::Lax);
        jar.private_mut(key).add(cookie.build());
        jar.delta().next().expect("just added").to_string()
    }
    let ours = key(OURS);
    let header = |key: &Key| {
        let line = set_cookie(key, &visit(size));
        line.split(';').next().expect("a cookie").to_owned()
    };
    let (genuine, foreign) = (header(&ours), header(&key(STRANGER)));
    let visitors = (0..VISITORS).map(|_| header(&ours)).collect();
    let opens = |texts: Vec<String>, outcome: bool| {
        let (ours, next) = (ours.clone(), in_turns(texts));
        operation(move || {
            let cookie = jar_of(next()).private(&ours).get("__Host-id");
            cookie.is_some_and(|cookie| serde_json::from_str::<Visit>(cookie.value()).is_ok()) == outcome
        })
    };
    let (sealing, data) = (ours.clone(), visit(size));
    Contestant::new("cookie `PrivateJar` + serde_json")
        .with(
            What::Seal,
            prepared(
                move || data.clone(),
                move |data| !set_cookie(&sealing, &data).is_empty(),
            ),
        )
        .with(What::Open, opens(vec![genuine.clone()], true))
        .with(What::OpenFirst, opens(visitors, true))
        .with(What::FlippedBit, opens(vec![flipped_cookie(&genuine)], false))
        .with(What::UnknownKey, opens(vec![foreign], false))
        .with(What::Garbage, opens(vec![garbage_cookie(&genuine)], false))
}
