//! What the endpoints refuse, proof by proof.

use sealed_session::Event;
use testkit::Seen;
use testkit::device::{SigningKey, base64url, jwk, offer, proof, registration, signed, signing_key};

use super::*;

fn key() -> SigningKey {
    signing_key([9, 9])
}

/// A signed-in browser, and the challenge that came with the sign-in.
fn signed_in(sessions: &Sessions<Value>, browser: &mut Browser) -> String {
    let mut session = sessions.load(browser.fields());
    session.start(json!({ "user": 7 })).unwrap();
    let mut headers = Vec::new();
    session.finish(200, &mut headers);
    browser.receive(&headers);
    let (path, challenge) = offer(value(&headers, "Secure-Session-Registration").unwrap());
    assert_eq!(path, "/device/register");
    challenge
}

/// A browser whose session is bound to `key()`, its identifier, and a fresh challenge.
struct Bound {
    sessions: Sessions<Value>,
    browser: Browser,
    identifier: String,
    challenge: String,
}

impl Bound {
    fn new(seed: u8) -> Self {
        let mut browser = Browser::at(START);
        let sessions = sessions(&browser);
        let challenge = signed_in(&sessions, &mut browser);
        let answer = sessions.register_device(
            &browser.fields(),
            Some(&registration(&signing_key([9, seed]), &challenge)),
        );
        assert_eq!(answer.status(), 200);
        let told: Value = serde_json::from_str(answer.body()).unwrap();
        let identifier = told["session_identifier"].as_str().unwrap().to_owned();
        let challenge = challenge_of(
            &sessions.refresh_device(&browser.fields(), Some(&identifier), None),
            &identifier,
        );
        Self {
            sessions,
            browser,
            identifier,
            challenge,
        }
    }

    fn refresh(&self, proof: &str) -> Answer {
        self.sessions
            .refresh_device(&self.browser.fields(), Some(&self.identifier), Some(proof))
    }

    #[track_caller]
    fn assert_refresh(&self, proof: &str, status: u16, shows: &str) {
        let answer = self.refresh(proof);
        assert_eq!(answer.status(), status, "{shows}");
        match status {
            200 => {}
            403 => drop(challenge_of(&answer, &self.identifier)),
            _ => assert_eq!(cookies(&headers(&answer)), (vec![], vec![]), "{shows}"),
        }
    }
}

/// The challenge of an answer that asks for a proof.
#[track_caller]
fn challenge_of(answer: &Answer, identifier: &str) -> String {
    assert_eq!(answer.status(), 403);
    let fields = headers(answer);
    assert_eq!(cookies(&fields), (vec![], vec![]));
    let field = value(&fields, "Secure-Session-Challenge").expect("a challenge");
    let challenge = field
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix(&format!("\";id=\"{identifier}\"")));
    challenge
        .expect("the challenge and the identifier, in quotes")
        .to_owned()
}

/// Headers that are no proof by ES256 in the sense of DBSC.
fn bad_headers(jwk: Option<&Value>) -> Vec<(Value, &'static str)> {
    let good = |alg: Value, typ: Value| match jwk {
        Some(jwk) => json!({ "alg": alg, "typ": typ, "jwk": jwk }),
        None => json!({ "alg": alg, "typ": typ }),
    };
    let without = |name: &str| {
        let mut header = good(json!("ES256"), json!("dbsc+jwt"));
        header.as_object_mut().unwrap().remove(name);
        header
    };
    vec![
        (good(json!("none"), json!("dbsc+jwt")), "alg none"),
        (good(json!("RS256"), json!("dbsc+jwt")), "alg RS256"),
        (good(json!("es256"), json!("dbsc+jwt")), "alg in small letters"),
        (good(json!(["ES256"]), json!("dbsc+jwt")), "alg in a list"),
        (without("alg"), "no alg"),
        (good(json!("ES256"), json!("JWT")), "another typ"),
        (without("typ"), "no typ"),
        (json!(["ES256"]), "a list in the place of the header"),
    ]
}

/// Texts that are no proof at all.
fn no_proofs(good: &str) -> Vec<(String, &'static str)> {
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        unreachable!("three parts")
    };
    vec![
        (String::new(), "an empty field"),
        ("..".to_owned(), "three empty parts"),
        (format!("{header}.{payload}"), "two parts"),
        (format!("{good}.{signature}"), "four parts"),
        (format!("{header}=.{payload}.{signature}"), "padding"),
        (format!("{header}.{}.{signature}", base64url(b"{}")), "no jti"),
        (
            format!("{header}.{}.{signature}", base64url(b"{\"jti\":7}")),
            "jti is a number",
        ),
        (format!("{header}.{}.{signature}", base64url(b"not JSON")), "no JSON"),
        (format!("\"{good}"), "a quote at one end"),
    ]
}

/// Proofs whose signature is not that of the key.
fn bad_signatures(good: &str) -> Vec<(String, &'static str)> {
    let (text, signature) = good.rsplit_once('.').unwrap();
    let (first, rest) = signature.split_at(1);
    let other = if first == "A" { "B" } else { "A" };
    vec![
        (format!("{text}.{other}{rest}"), "a bit of the signature"),
        (format!("{text}."), "no signature"),
        (format!("{text}.{}", &signature[..80]), "a short signature"),
        (format!("{text}.{signature}AAAA"), "a long signature"),
        (format!("{good}="), "padding of the signature"),
        (format!("{good}\n"), "a line break"),
        (format!("{text}.{}", base64url(&[0; 64])), "zeros"),
    ]
}

#[test]
fn a_registration_must_be_signed_by_the_key_that_it_brings() {
    let mut browser = Browser::at(START);
    let sessions = sessions(&browser);
    let challenge = signed_in(&sessions, &mut browser);
    let payload = json!({ "jti": challenge }).to_string();
    let good = registration(&key(), &challenge);
    let public = jwk(&key());
    let mut refused = no_proofs(&good);
    refused.extend(bad_signatures(&good));
    for (header, shows) in bad_headers(Some(&public)) {
        refused.push((signed(&key(), &header.to_string(), &payload), shows));
    }
    let jwks = [
        ("y", json!(base64url(&[7; 32])), "a point that is not on the curve"),
        ("x", json!(base64url(&[7; 31])), "31 bytes"),
        ("x", json!(base64url(&[7; 33])), "33 bytes"),
        ("x", json!(format!("{}=", public["x"].as_str().unwrap())), "padding"),
        ("x", json!(7), "a number"),
        ("x", jwk(&signing_key([9, 8]))["x"].clone(), "half of another key"),
        ("crv", json!("P-384"), "another curve"),
        ("crv", Value::Null, "no curve"),
        ("kty", json!("OKP"), "another type of key"),
    ];
    for (name, value, shows) in jwks {
        let mut jwk = public.clone();
        jwk[name] = value;
        let header = json!({ "alg": "ES256", "typ": "dbsc+jwt", "jwk": jwk });
        refused.push((signed(&key(), &header.to_string(), &payload), shows));
    }
    let other = json!({ "alg": "ES256", "typ": "dbsc+jwt", "jwk": jwk(&signing_key([9, 8])) });
    refused.push((
        signed(&key(), &other.to_string(), &payload),
        "another key than the signer's",
    ));
    refused.push((proof(&key(), &challenge), "no key"));
    let long = json!({ "jti": challenge, "long": "x".repeat(1300) }).to_string();
    refused.push((
        signed(
            &key(),
            &json!({ "alg": "ES256", "jwk": public, "typ": "dbsc+jwt" }).to_string(),
            &long,
        ),
        "2 KB",
    ));
    for (proof, shows) in refused {
        let answer = sessions.register_device(&browser.fields(), Some(&proof));
        assert_eq!(answer.status(), 400, "{shows}");
        assert_eq!(
            (answer.body(), cookies(&headers(&answer))),
            ("", (vec![], vec![])),
            "{shows}"
        );
    }
    assert_eq!(sessions.register_device(&browser.fields(), None).status(), 400);
    assert_eq!(
        sessions
            .register_device(&RequestFields::default(), Some(&good))
            .status(),
        400
    );
    // Nothing was wrong with the rest.
    assert_eq!(sessions.register_device(&browser.fields(), Some(&good)).status(), 200);
}

#[test]
fn a_refresh_must_be_signed_by_the_registered_key_and_bring_none() {
    let bound = Bound::new(9);
    let good = proof(&key(), &bound.challenge);
    let payload = json!({ "jti": bound.challenge }).to_string();
    for (proof, shows) in bad_signatures(&good) {
        bound.assert_refresh(&proof, 401, shows);
    }
    for (header, shows) in bad_headers(None) {
        bound.assert_refresh(&signed(&key(), &header.to_string(), &payload), 401, shows);
    }
    bound.assert_refresh(&registration(&key(), &bound.challenge), 401, "a key came");
    let null = json!({ "alg": "ES256", "typ": "dbsc+jwt", "jwk": null }).to_string();
    bound.assert_refresh(&signed(&key(), &null, &payload), 401, "a key that is null");
    bound.assert_refresh(
        &proof(&signing_key([9, 8]), &bound.challenge),
        401,
        "another key signed",
    );
    // What answers no challenge gets one.
    for (proof, shows) in no_proofs(&good) {
        bound.assert_refresh(&proof, 403, shows);
    }
    let long = json!({ "jti": bound.challenge, "long": "x".repeat(1500) }).to_string();
    let header = json!({ "alg": "ES256", "typ": "dbsc+jwt" }).to_string();
    bound.assert_refresh(&signed(&key(), &header, &long), 403, "2 KB");
    bound.assert_refresh(&good, 200, "nothing was wrong with the rest");
}

#[test]
fn a_proof_has_2048_characters_at_most() {
    let bound = Bound::new(9);
    let proof = |length: usize| {
        let candidates = (0..4).flat_map(|kid| (1200..1500).map(move |long| (kid, long)));
        let mut texts = candidates.map(|(kid, long)| {
            let header = json!({ "alg": "ES256", "typ": "dbsc+jwt", "kid": "x".repeat(kid) });
            let payload = json!({ "jti": bound.challenge, "long": "x".repeat(long) });
            [header.to_string(), payload.to_string()]
        });
        // Two dots, and the signature.
        let characters = |texts: &[String; 2]| {
            let parts = texts.iter().map(|text| base64url(text.as_bytes()).len());
            parts.sum::<usize>() + 2 + 86
        };
        let [header, payload] = texts.find(|texts| characters(texts) == length).unwrap();
        signed(&key(), &header, &payload)
    };
    bound.assert_refresh(&proof(2048), 200, "as long as may be");
    bound.assert_refresh(&proof(2049), 403, "a character more");
}

#[test]
fn each_challenge_is_for_one_endpoint_and_one_session_or_device() {
    let mut ada = Bound::new(9);
    let bob = Bound::new(8);
    let challenge = signed_in(&ada.sessions, &mut ada.browser);
    // At the other endpoint.
    let answer = ada
        .sessions
        .register_device(&ada.browser.fields(), Some(&registration(&key(), &ada.challenge)));
    assert_eq!(answer.status(), 400);
    let ada_again = Bound::new(9);
    ada_again.assert_refresh(&proof(&key(), &challenge), 403, "a challenge to register");
    // Another session's, another device's.
    let mut other = ada.browser.another();
    let others = signed_in(&ada.sessions, &mut other);
    let answer = ada
        .sessions
        .register_device(&ada.browser.fields(), Some(&registration(&key(), &others)));
    assert_eq!(answer.status(), 400);
    ada_again.assert_refresh(&proof(&key(), &bob.challenge), 403, "another device's challenge");
    ada_again.assert_refresh(&proof(&key(), &ada_again.identifier), 403, "a device key in its place");
    let answer = ada_again.refresh("x");
    assert_ne!(challenge_of(&answer, &ada_again.identifier), ada_again.challenge);
    // One of the same device may serve twice.
    ada_again.assert_refresh(&proof(&key(), &ada_again.challenge), 200, "its own");
    ada_again.assert_refresh(&proof(&key(), &ada_again.challenge), 200, "and again");
}

#[test]
fn a_challenge_is_valid_for_less_than_a_minute() {
    for (seconds, register, refresh) in [(59, 200, 200), (60, 400, 403)] {
        let mut browser = Browser::at(START);
        let sessions = sessions(&browser);
        let challenge = signed_in(&sessions, &mut browser);
        browser.pass(Duration::from_secs(seconds));
        let answer = sessions.register_device(&browser.fields(), Some(&registration(&key(), &challenge)));
        assert_eq!(answer.status(), register);

        let bound = Bound::new(9);
        bound.browser.pass(Duration::from_secs(seconds));
        bound.assert_refresh(&proof(&key(), &bound.challenge), refresh, "a challenge of a minute ago");
    }
}

#[test]
fn a_device_key_is_valid_for_the_longest_absolute_timeout() {
    let bound = Bound::new(9);
    let now = bound.browser.now();
    let refresh = |after: u64| {
        let binding = binding().allow_initiator("mail.example");
        let sessions = builder(&bound.browser).device_binding(binding).build().unwrap();
        let now = now + Duration::from_secs(after);
        sessions
            .refresh_device_at(&RequestFields::default(), Some(&bound.identifier), None, now)
            .status()
    };
    assert_eq!(refresh(30 * DAY - 1), 403);
    assert_eq!(refresh(30 * DAY), 401);
}

#[test]
fn identifiers_that_are_no_device_key_of_ours_end_the_binding() {
    let bound = Bound::new(9);
    let fields = bound.browser.fields();
    let status = |identifier: Option<&str>| bound.sessions.refresh_device(&fields, identifier, None).status();
    assert_eq!(status(None), 401);
    let proof = bound.refresh(&proof(&key(), &bound.challenge));
    let proof = headers(&proof)
        .into_iter()
        .find(|(_, line)| line.starts_with("__Host-id-proof="))
        .unwrap()
        .1;
    let proof = proof["__Host-id-proof=".len()..].split(';').next().unwrap();
    let mut damaged = bound.identifier.clone();
    damaged.replace_range(40..41, if &damaged[40..41] == "A" { "B" } else { "A" });
    for wrong in [
        "",
        "made up",
        &damaged,
        &bound.identifier[..87],
        &format!("{}A", bound.identifier),
    ] {
        assert_eq!(status(Some(wrong)), 401, "{wrong}");
    }
    // Another kind of token is of an unknown version, as one of a later release would be.
    for other in [proof, &bound.challenge, bound.browser.value("__Host-id-seen").unwrap()] {
        assert_eq!(status(Some(other)), 503, "{other}");
    }
    let longer = bound.browser.value("__Host-id").unwrap();
    assert_eq!(status(Some(longer)), 401, "no token of this length is a device key");
    let elsewhere = super::super::builder(ring()).audience("blog").device_binding(binding());
    let elsewhere: Sessions<Value> = elsewhere.clock(bound.browser.clock()).build().unwrap();
    assert_eq!(
        elsewhere
            .refresh_device(&fields, Some(&bound.identifier), None)
            .status(),
        401
    );
    assert_eq!(status(Some(&bound.identifier)), 403);
    assert_eq!(status(Some(&format!("\"{}\"", bound.identifier))), 403);
}

#[test]
fn quotes_and_unknown_members_are_accepted_and_of_two_members_the_last_counts() {
    let mut browser = Browser::at(START);
    let sessions = sessions(&browser);
    let challenge = signed_in(&sessions, &mut browser);
    let good = registration(&key(), &challenge);
    let register = |proof: &str| sessions.register_device(&browser.fields(), Some(proof)).status();
    for field in [good.clone(), format!("\"{good}\""), format!("  \"{good}\"\t")] {
        assert_eq!(register(&field), 200, "{field}");
    }
    let public = jwk(&key());
    let known = format!("\"jwk\":{public},\"typ\":\"dbsc+jwt\"");
    let payload =
        json!({ "jti": challenge, "aud": "https://shop.example", "iat": 7, "authorization": "x" }).to_string();
    let more = signed(
        &key(),
        &format!("{{\"kid\":\"1\",\"alg\":\"ES256\",{known}}}"),
        &payload,
    );
    assert_eq!(register(&more), 200);
    // RFC 7515, section 4, leaves no other choice but to refuse them.
    for (algs, status) in [(["none", "ES256"], 200), (["ES256", "none"], 400)] {
        let header = format!("{{\"alg\":\"{}\",\"alg\":\"{}\",{known}}}", algs[0], algs[1]);
        assert_eq!(register(&signed(&key(), &header, &payload)), status);
    }
    for (jtis, status) in [(["x", &challenge], 200), ([&challenge, "x"], 400)] {
        let payload = format!("{{\"jti\":\"{}\",\"jti\":\"{}\"}}", jtis[0], jtis[1]);
        let header = format!("{{\"alg\":\"ES256\",{known}}}");
        assert_eq!(register(&signed(&key(), &header, &payload)), status);
    }

    let bound = Bound::new(9);
    let good = proof(&key(), &bound.challenge);
    bound.assert_refresh(&format!("\"{good}\""), 200, "quotes");
    let payload = json!({ "jti": bound.challenge, "aud": "x", "sub": "y" }).to_string();
    let header = json!({ "alg": "ES256", "typ": "dbsc+jwt", "kid": "1" }).to_string();
    bound.assert_refresh(&signed(&key(), &header, &payload), 200, "unknown claims");
}

#[test]
fn a_bound_session_is_not_registered_again() {
    let mut ada = Visitor::new();
    let sessions = sessions(&ada.device.browser);
    let challenge = signed_in(&sessions, &mut ada.device.browser);
    ada.device.receive(&[(
        "Secure-Session-Registration".to_owned(),
        format!("(ES256);path=\"/device/register\";challenge=\"{challenge}\""),
    )]);
    ada.device.register(&mut endpoints(&sessions, None));
    ada.pass(2);
    assert_eq!(ada.look(&sessions), PROVEN);
    let second = registration(&signing_key([9, 3]), &challenge);
    assert_eq!(
        sessions
            .register_device(&ada.device.browser.fields(), Some(&second))
            .status(),
        400
    );
    // Nor is it an unproven one.
    ada.device.browser.remove("__Host-id-proof");
    assert_eq!(
        sessions
            .register_device(&ada.device.browser.fields(), Some(&second))
            .status(),
        400
    );
}

#[test]
fn many_refusals_at_the_endpoints_are_reported() {
    let (browser, seen) = (Browser::at(START), Seen::default());
    let sessions = builder(&browser).observer(seen.observer()).build().unwrap();
    let elsewhere: Sessions<Value> = super::super::builder(ring()).clock(browser.clock()).build().unwrap();
    let cookie = elsewhere.cookie_for(json!(7)).unwrap();
    let refused = || {
        let fields = RequestFields::from_cookies([cookie.clone()]);
        assert_eq!(sessions.register_device(&fields, None).status(), 400);
        let many = |event: &Event| matches!(event, Event::ManyRejected { .. });
        seen.take().into_iter().filter(many).count()
    };
    assert_eq!((0..100).map(|_| refused()).sum::<usize>(), 0);
    browser.pass(Duration::from_secs(180));
    assert_eq!(refused(), 1);
}

#[test]
fn answers_of_the_endpoints_are_stored_by_no_cache() {
    let bound = Bound::new(9);
    let fields = bound.browser.fields();
    let answers = [
        bound.refresh(&proof(&key(), &bound.challenge)),
        bound.refresh("x"),
        bound.sessions.refresh_device(&fields, None, None),
        bound.sessions.register_device(&fields, None),
    ];
    for answer in answers {
        assert_eq!(
            value(&headers(&answer), "Cache-Control"),
            Some("private, no-store"),
            "{answer}"
        );
        // Logs get the status alone.
        for shown in [answer.to_string(), format!("{answer:?}")] {
            let status = answer.status().to_string();
            assert!(shown.contains(&status) && shown.len() < 80, "{shown}");
        }
    }
}
