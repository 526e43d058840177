//! Keys, expiries and names: tokens that open although they should not.

use super::*;

// ---- keys

#[test]
fn there_is_no_fallback_to_an_unkeyed_reader() {
    let sessions = sessions();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    let (token, activity) = tokens(&cookies);
    assert_state(&sessions, &cookies, 0, SessionState::Valid);
    let json = r#"{"user":7}"#;
    let mut unsealed = URL_SAFE_NO_PAD.decode(&token).unwrap();
    unsealed.truncate(54);
    unsealed.extend_from_slice(json.as_bytes());
    unsealed.extend_from_slice(&[0; 16]);
    for value in [
        json.to_owned(),
        URL_SAFE_NO_PAD.encode(json),
        format!("0{json}"),
        "null".to_owned(),
        URL_SAFE_NO_PAD.encode([0; 80]),
        URL_SAFE_NO_PAD.encode([1; 80]),
        URL_SAFE_NO_PAD.encode(&unsealed),
        URL_SAFE_NO_PAD.encode(&unsealed[..17]),
        token.replace('_', "/").replace('-', "+") + "=",
    ] {
        let session = load(&sessions, format!("__Host-id={value}; __Host-id-seen={activity}"), 0);
        assert!(matches!(session.state(), SessionState::Rejected(_)), "{value}");
    }
}

#[test]
fn no_part_of_a_token_goes_unchecked() {
    let sessions = sessions();
    let (token, activity) = tokens(&sessions.cookie_for_at(SEVEN, after(0)).unwrap());
    for (name, value) in [("session", &token), ("activity", &activity)] {
        let bytes = URL_SAFE_NO_PAD.decode(value).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let altered = URL_SAFE_NO_PAD.encode(altered);
            let cookies = match name {
                "session" => format!("__Host-id={altered}; __Host-id-seen={activity}"),
                _ => format!("__Host-id={token}; __Host-id-seen={altered}"),
            };
            let session = load(&sessions, cookies, 0);
            assert!(
                matches!(session.state(), SessionState::Rejected(_)),
                "bit {bit} of the {name} token"
            );
        }
    }
}

#[test]
fn the_key_with_the_role_seal_seals_whatever_the_order() {
    let (one, two, three) = (key(1), key(2), key(3));
    let written = |key: &sealed_session::Key| key.write_with_secret().expose().to_owned();
    let entries = [
        format!("open {}", written(&one)),
        format!("seal {}", written(&two)),
        format!("open {}", written(&three)),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let text = order.map(|index| entries[index].clone()).join("\n");
        let sessions = builder(KeyRing::parse(&text).unwrap()).build().unwrap();
        let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
        let (token, activity) = tokens(&cookies);
        for token in [token, activity] {
            assert_eq!(Claims::parse(&token).unwrap().key_id, two.id(), "{order:?}");
        }
        assert_state(&sessions, &cookies, 0, SessionState::Valid);
        for other in [1, 3] {
            let elsewhere = builder(KeyRing::new(key(other))).build().unwrap();
            let cookies = elsewhere.cookie_for_at(SEVEN, after(0)).unwrap();
            assert_state(&sessions, &cookies, 0, SessionState::Valid);
            let mut session = load(&sessions, &cookies, 0);
            let _ = session.update(|login| login.user = 8).unwrap();
            let patch = session.finish_patch(200);
            let line = patch.set_cookies().next().unwrap();
            let token = line.split(';').next().unwrap().strip_prefix("__Host-id=").unwrap();
            assert_eq!(
                Claims::parse(token).unwrap().key_id,
                two.id(),
                "what is written is sealed anew"
            );
        }
    }
}

// ---- time

fn with_absolute(seconds: u64) -> Sessions<Login> {
    builder(ring())
        .lifetime(Lifetime::absolute(Duration::from_secs(seconds)).without_idle())
        .build()
        .unwrap()
}

#[test]
fn expiry_is_not_recomputed_from_configuration_a_longer_timeout_prolongs_nothing() {
    let (short, long) = (with_absolute(1000), with_absolute(100_000));
    let cookies = short.cookie_for_at(SEVEN, after(0)).unwrap();
    assert_state(&long, &cookies, 999, SessionState::Valid);
    assert_state(&long, &cookies, 1000, SessionState::Rejected(Reason::Expired));
    let mut session = load(&long, &cookies, 500);
    assert_eq!(session.expires(), Some(after(1000)));
    let _ = session.update(|login| login.user = 8).unwrap();
    session.cycle_id().unwrap();
    let patch = session.finish_patch(200);
    let rewritten = patch.set_cookies().next().unwrap().split(';').next().unwrap();
    assert_state(&long, rewritten, 999, SessionState::Valid);
    assert_state(&long, rewritten, 1000, SessionState::Rejected(Reason::Expired));
}

#[test]
fn a_shorter_configured_timeout_shortens_what_is_sealed() {
    let (short, long) = (with_absolute(1000), with_absolute(100_000));
    let cookies = long.cookie_for_at(SEVEN, after(0)).unwrap();
    assert_eq!(load(&short, &cookies, 500).expires(), Some(after(1000)));
    assert_state(&short, &cookies, 999, SessionState::Valid);
    assert_state(&short, &cookies, 1000, SessionState::Rejected(Reason::TooOld));
    let mut session = load(&short, &cookies, 500);
    let _ = session.update(|login| login.user = 8).unwrap();
    let patch = session.finish_patch(200);
    let rewritten = patch.set_cookies().next().unwrap().split(';').next().unwrap();
    assert_state(&long, rewritten, 1000, SessionState::Rejected(Reason::Expired));
}

#[test]
fn a_shorter_configured_idle_timeout_shortens_what_is_sealed() {
    let idle = |seconds| {
        let builder = builder(ring()).lifetime(Lifetime::default().idle(Duration::from_secs(seconds)));
        builder.build().unwrap()
    };
    let cookies = idle(10_000).cookie_for_at(SEVEN, after(0)).unwrap();
    assert_state(&idle(10_000), &cookies, 9999, SessionState::Valid);
    // A visitor who was seen under the old timeout has at most the new one and 5 minutes left.
    assert_state(&idle(1000), &cookies, 0, SessionState::Rejected(Reason::Idle));
    assert_state(&idle(1000), &cookies, 8699, SessionState::Rejected(Reason::Idle));
    assert_state(&idle(1000), &cookies, 8700, SessionState::Valid);
    let cookies = idle(1000).cookie_for_at(SEVEN, after(0)).unwrap();
    assert_state(&idle(10_000), &cookies, 999, SessionState::Valid);
    assert_state(&idle(10_000), &cookies, 1000, SessionState::Rejected(Reason::Idle));
}

#[test]
fn renewal_on_an_untouched_response_does_not_happen() {
    let seen = Seen::default();
    let sessions = observed(&seen);
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    seen.take();
    for seconds in [600, 1799, 40_000] {
        for peek in [false, true] {
            let session = load(&sessions, &cookies, seconds);
            if peek {
                _ = session.peek();
            }
            let patch = session.finish_patch(200);
            assert_eq!(patch.set_cookies().count(), 0);
            let mut headers = Vec::new();
            patch.apply(&mut headers);
            assert_eq!(headers, []);
        }
    }
    assert!(!seen.take().iter().any(|event| matches!(event, Event::Touched { .. })));
}

// ---- names

#[test]
fn a_name_swap_between_two_cookies_opens_nothing() {
    let (shop, blog) = (named("__Host-shop"), named("__Host-blog"));
    let (token, activity) = tokens(&shop.cookie_for_at(SEVEN, after(0)).unwrap());
    assert_state(
        &shop,
        format!("__Host-shop={token}; __Host-shop-seen={activity}"),
        0,
        SessionState::Valid,
    );
    let swapped = format!("__Host-blog={token}; __Host-blog-seen={activity}");
    assert_state(&blog, swapped, 0, SessionState::Rejected(Reason::NotOurs));
    let (own, _) = tokens(&blog.cookie_for_at(SEVEN, after(0)).unwrap());
    let swapped = format!("__Host-blog={own}; __Host-blog-seen={activity}");
    assert_state(&blog, swapped, 0, SessionState::Rejected(Reason::Idle));
}

#[test]
fn a_session_token_is_no_activity_token_and_the_reverse() {
    let sessions = sessions();
    let (token, activity) = tokens(&sessions.cookie_for_at(SEVEN, after(0)).unwrap());
    let swap = |session: &str, activity: &str| format!("__Host-id={session}; __Host-id-seen={activity}");
    assert_state(&sessions, swap(&token, &token), 0, SessionState::Rejected(Reason::Idle));
    assert_state(
        &sessions,
        swap(&activity, &activity),
        0,
        SessionState::Rejected(Reason::UnknownVersion),
    );
    assert_state(
        &sessions,
        swap(&activity, &token),
        0,
        SessionState::Rejected(Reason::UnknownVersion),
    );
    // Even with equal names: these sessions have the name of the other one's activity cookie.
    let meeting = named("__Host-id-seen");
    let (other, _) = tokens(&meeting.cookie_for_at(SEVEN, after(0)).unwrap());
    assert_state(&sessions, swap(&token, &other), 0, SessionState::Rejected(Reason::Idle));
    let state = SessionState::Rejected(Reason::UnknownVersion);
    assert_state(&meeting, format!("__Host-id-seen={activity}"), 0, state);
}

#[test]
fn a_magic_link_is_no_session() {
    let links = Sealer::new(ring(), "__Host-id").unwrap();
    let link = links
        .seal_at(br#"{"user":7}"#, Duration::from_secs(1000), after(0))
        .unwrap();
    let sessions = builder::<Login>(ring())
        .lifetime(Lifetime::default().without_idle())
        .build()
        .unwrap();
    assert_state(
        &sessions,
        format!("__Host-id={link}"),
        0,
        SessionState::Rejected(Reason::NotOurs),
    );
}

#[test]
fn a_percent_encoded_prefix_is_another_name() {
    let sessions = sessions();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    for name in [
        "__%48ost-id",
        "%5F%5FHost-id",
        "__Host%2Did",
        "__Host-%69d",
        "\"__Host-id\"",
    ] {
        assert_state(
            &sessions,
            cookies.replace("__Host-id=", &format!("{name}=")),
            0,
            SessionState::Absent,
        );
    }
}

#[test]
fn a_prefix_after_unicode_space_is_another_name() {
    let sessions = sessions();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    for space in ["\u{2000}", "\u{a0}", "\u{85}", "\u{3000}", "\u{feff}", "\x0b", "\x0c"] {
        for name in [format!("{space}__Host-id="), format!("__Host-id{space}=")] {
            let spaced = cookies.replace("__Host-id=", &name);
            assert_state(&sessions, format!("a=b; {spaced}"), 0, SessionState::Absent);
        }
    }
    for space in [b'\xa0', b'\x85'] {
        let raw = [&[space][..], cookies.as_bytes()].concat();
        assert_state(&sessions, raw, 0, SessionState::Absent);
    }
}

#[test]
fn one_neighbour_that_is_not_ascii_loses_nothing() {
    let sessions = sessions();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    for neighbour in [
        "name=J\u{fc}rgen".as_bytes(),
        b"name=\xff\xfe",
        b"\x80=\x80",
        b"=",
        b"==;;",
        b"\"",
        b"a=\"",
        b"\0=\0",
        b"%",
        b"\xf0\x9f",
    ] {
        for (before, after) in [(neighbour, cookies.as_bytes()), (cookies.as_bytes(), neighbour)] {
            assert_state(&sessions, [before, b"; ", after].concat(), 0, SessionState::Valid);
        }
    }
}

#[test]
fn cookies_split_over_several_fields_are_one_jar() {
    let sessions = sessions();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    let (session, activity) = cookies.split_once("; ").unwrap();
    for fields in [[activity, "a=b", session], [session, "", activity]] {
        let fields = RequestFields::from_cookies(fields.map(str::to_owned));
        assert!(sessions.load_at(fields, after(0)).get().is_some());
    }
}
