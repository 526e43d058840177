//! sealed-session itself.

use super::*;

fn sealer(index: u8) -> Sealer {
    Sealer::new(KeyRing::new(key(index)), "bench")
        .expect("a configuration")
        .with_audience("bench")
        .expect("a configuration")
}

pub fn sessions(index: u8, with_idle: bool) -> Sessions<Visit> {
    let builder = Sessions::builder(KeyRing::new(key(index))).audience("bench");
    let builder = if with_idle {
        builder
    } else {
        builder.lifetime(Lifetime::default().without_idle())
    };
    builder.build().expect("a configuration")
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

pub fn ours_bytes(size: usize) -> Contestant {
    let (sealer, now, data) = (Rc::new(sealer(OURS)), now(), json(size));
    let seal_it = {
        let sealer = Rc::clone(&sealer);
        move || seal(&sealer, &data, now)
    };
    let foreign = seal(&self::sealer(STRANGER), &json(size), now);
    let expired: &'static str = seal(&sealer, &json(size), now - DAY).leak();
    let open = move |text: &'static str| sealer.open_at(text, b"", now).is_ok();
    let of_expired = open.clone();
    Contestant::text("sealed-session `Sealer`", seal_it, foreign, open)
        .with(What::Expired, operation(move || !of_expired(expired)))
}

/// From the Cookie header to the data, and from the data to `Set-Cookie`.
pub fn ours_request(size: usize) -> Contestant {
    let now = now();
    let cookie = |sessions: &Sessions<Visit>, at| -> &'static str {
        sessions.cookie_for_at(visit(size), at).expect("it fits").leak()
    };
    let (with_idle, without_idle) = (sessions(OURS, true), sessions(OURS, false));
    let (both, alone) = (cookie(&with_idle, now), cookie(&without_idle, now));
    let opens = |sessions: &Sessions<Visit>, cookie: &'static str| {
        let sessions = sessions.clone();
        operation(move || {
            sessions
                .load_at(RequestFields::from_cookies([cookie]), now)
                .get()
                .is_some()
        })
    };
    let rejects = |text: &str| {
        let (sessions, cookie): (_, &'static str) = (without_idle.clone(), text.to_owned().leak());
        operation(move || {
            let session = sessions.load_at(RequestFields::from_cookies([cookie]), now);
            matches!(session.state(), SessionState::Rejected(_))
        })
    };
    let seals = |sessions: &Sessions<Visit>| {
        let (sessions, data) = (sessions.clone(), visit(size));
        prepared(
            move || data.clone(),
            move |data| {
                let mut session = sessions.load_at(RequestFields::default(), now);
                session.start(data).is_ok() && session.finish_patch(200).set_cookies().next().is_some()
            },
        )
    };
    Contestant::new("sealed-session `Sessions`")
        .with(What::Seal, seals(&without_idle))
        .with(What::SealWithActivity, seals(&with_idle))
        .with(What::Open, opens(&without_idle, alone))
        .with(What::OpenWithActivity, opens(&with_idle, both))
        .with(What::FlippedBit, rejects(&flipped_cookie(alone)))
        .with(What::UnknownKey, rejects(cookie(&sessions(STRANGER, false), now)))
        .with(What::Expired, rejects(cookie(&without_idle, now - DAY)))
        .with(What::Garbage, rejects(&garbage_cookie(alone)))
}
