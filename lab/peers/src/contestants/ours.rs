//! sealed-session itself.

use super::*;

fn sealer(index: u8) -> Sealer {
    Sealer::new(KeyRing::new(key(index)), "bench")
        .expect("a configuration")
        .with_audience("bench")
        .expect("a configuration")
}

/// As an application builds it: with an idle timeout, and it keeps what it opened.
pub fn sessions(index: u8) -> Sessions<Visit> {
    builder(index).build().expect("a configuration")
}

pub fn sessions_without_idle(index: u8) -> Sessions<Visit> {
    let lifetime = Lifetime::default().without_idle();
    builder(index).lifetime(lifetime).build().expect("a configuration")
}

pub fn sessions_without_cache(index: u8) -> Sessions<Visit> {
    builder(index).opened_cache(0).build().expect("a configuration")
}

fn builder(index: u8) -> sealed_session::Builder<Visit> {
    Sessions::builder(KeyRing::new(key(index))).audience("bench")
}

/// Opens a session that this `Sessions` never saw, with its activity cookie. Another `Sessions` seals it beforehand.
/// If this one keeps what it opened, it is full: each session takes the place of another.
pub fn opens_first(sessions: Sessions<Visit>, size: usize) -> Operation {
    let (elsewhere, data, now) = (sessions_without_cache(OURS), visit(size), now());
    let it = fresh(
        move || -> Arc<[u8]> {
            let cookie = elsewhere.cookie_for_at(data.clone(), now).expect("it fits");
            cookie.into_bytes().into()
        },
        move |cookie| {
            let fields = RequestFields::from_cookies([Arc::clone(cookie)]);
            sessions.load_at(fields, now).get().is_some()
        },
    );
    // The default has room for some 6,000 small sessions.
    for _ in 0..64 {
        it(128);
    }
    it
}

/// A new session and its `Set-Cookie` lines.
pub fn seals(sessions: Sessions<Visit>, size: usize) -> Operation {
    let (data, now) = (visit(size), now());
    prepared(
        move || data.clone(),
        move |data| {
            let mut session = sessions.load_at(RequestFields::default(), now);
            session.start(data).is_ok() && session.finish_patch(200).set_cookies().next().is_some()
        },
    )
}

fn seal(sealer: &Sealer, bytes: &[u8], now: OffsetDateTime) -> String {
    sealer.seal_at(bytes, DAY / 2, now).expect("it fits")
}

pub fn ours_typed(size: usize) -> Contestant {
    let (sealer, now, data) = (Rc::new(sealer(OURS)), now(), visit(size));
    let seal_it = {
        let sealer = Rc::clone(&sealer);
        move || seal(&sealer, &serde_json::to_vec(&data).expect("a visit serialises"), now)
    };
    let foreign = seal(&self::sealer(STRANGER), &json(size), now);
    let expired: &'static str = seal(&sealer, &json(size), now - DAY).leak();
    let open = move |text: &'static str| sealer.open_at(text, b"", now).is_ok_and(|value| reads(value.payload()));
    let of_expired = open.clone();
    Contestant::text("sealed-session `Sealer` + serde_json", seal_it, foreign, open)
        .with(What::Expired, operation(move || !of_expired(expired)))
}

/// From the Cookie header to the data, and from the data to `Set-Cookie`.
pub fn ours_request(size: usize) -> Contestant {
    let now = now();
    let cookie = |sessions: &Sessions<Visit>, at| -> &'static str {
        sessions.cookie_for_at(visit(size), at).expect("it fits").leak()
    };
    let (usual, without_idle) = (sessions(OURS), sessions_without_idle(OURS));
    let (both, alone) = (cookie(&usual, now), cookie(&without_idle, now));
    let seen = {
        let usual = usual.clone();
        operation(move || {
            let session = usual.load_at(RequestFields::from_cookies([both]), now);
            session.get().is_some()
        })
    };
    let rejects = |text: &str| {
        let (sessions, cookie): (_, &'static str) = (without_idle.clone(), text.to_owned().leak());
        operation(move || {
            let session = sessions.load_at(RequestFields::from_cookies([cookie]), now);
            matches!(session.state(), SessionState::Rejected(_))
        })
    };
    Contestant::new("sealed-session `Sessions`")
        .with(What::Seal, seals(without_idle.clone(), size))
        .with(What::SealWithActivity, seals(usual.clone(), size))
        .with(What::OpenSeen, seen)
        .with(What::OpenFirst, opens_first(usual, size))
        .with(What::OpenUncached, opens_first(sessions_without_cache(OURS), size))
        .with(What::FlippedBit, rejects(&flipped_cookie(alone)))
        .with(What::UnknownKey, rejects(cookie(&sessions_without_idle(STRANGER), now)))
        .with(What::Expired, rejects(cookie(&without_idle, now - DAY)))
        .with(What::Garbage, rejects(&garbage_cookie(alone)))
}
