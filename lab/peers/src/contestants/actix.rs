//! actix-session: `CookieSessionStore`.

use super::*;

/// The middleware's own way to its cookie: `CookieSessionStore` inside a `PrivateJar` of cookie 0.16.
pub fn actix_typed(size: usize) -> Contestant {
    use actix_session::storage::{CookieSessionStore, SessionKey, SessionStore};
    use actix_web::cookie::{Cookie, CookieJar, Key};

    // The data takes an entry of the store's map, as JSON within JSON. Its keys and quotes leave no room for the largest
    // visit, which is 4064 characters there.
    fn sealed(key: &Key, data: &Visit) -> Option<CookieJar> {
        let state = HashMap::from([("visit".to_owned(), to_text(data))]);
        let ttl = actix_web::cookie::time::Duration::hours(12);
        let session_key = ready(CookieSessionStore::default().save(state, &ttl)).ok()?;
        let mut jar = CookieJar::new();
        jar.private_mut(key)
            .add(Cookie::new("id", session_key.as_ref().to_owned()));
        Some(jar)
    }
    let value = |key: &Key, data: &Visit| Some(sealed(key, data)?.get("id")?.value().to_owned());
    let name = "actix-session `CookieSessionStore`";
    let (ours, data) = (Key::from(&secret(OURS)), visit(size));
    let Some(foreign) = value(&Key::from(&secret(STRANGER)), &data) else {
        return Contestant::new(name);
    };
    let (sealing, opening, raw) = (ours.clone(), ours.clone(), visit(size));
    let it = Contestant::text(
        name,
        move || value(&ours, &data).expect("it fits"),
        foreign,
        move |text| {
            let cookie = CookieJar::new().private(&opening).decrypt(Cookie::new("id", text));
            let key: Option<SessionKey> = cookie.and_then(|cookie| cookie.value().to_owned().try_into().ok());
            let state = key.and_then(|key| ready(CookieSessionStore::default().load(&key)).ok().flatten());
            state.is_some_and(|state| state.get("visit").is_some_and(|json| reads(json.as_bytes())))
        },
    );
    it.with(What::Seal, operation(move || sealed(&sealing, &raw).is_some()))
}
