//! biscotti.

use super::*;

mod biscotti_cookies {
    use biscotti::config::{CryptoAlgorithm, CryptoRule};
    pub use biscotti::{Key, Processor, ProcessorConfig, RequestCookies, ResponseCookie, ResponseCookies, SameSite};

    use super::secret;

    pub fn processor(index: u8) -> Processor {
        let mut config = ProcessorConfig::default();
        config.crypto_rules.push(CryptoRule {
            cookie_names: vec!["id".into(), "__Host-id".into()],
            algorithm: CryptoAlgorithm::Encryption,
            key: Key::from(secret(index).to_vec()),
            fallbacks: Vec::new(),
        });
        config.into()
    }

    pub fn value(processor: &Processor, text: &str) -> String {
        processor
            .process_outgoing(ResponseCookie::new("id", text))
            .value()
            .to_owned()
    }
}

pub fn biscotti_typed(size: usize) -> Contestant {
    use biscotti_cookies::*;
    let (sealing, opening, data) = (processor(OURS), processor(OURS), visit(size));
    let foreign = value(&processor(STRANGER), &to_text(&data));
    Contestant::text(
        "biscotti + serde_json",
        move || value(&sealing, &to_text(&data)),
        foreign,
        move |text| {
            let cookie = opening.process_incoming("id", text);
            cookie.is_ok_and(|cookie| serde_json::from_str::<Visit>(cookie.value()).is_ok())
        },
    )
}

pub fn biscotti_request(size: usize) -> Contestant {
    use biscotti_cookies::*;
    fn set_cookie(processor: &Processor, data: &Visit) -> String {
        let mut cookies = ResponseCookies::new();
        let cookie = ResponseCookie::new("__Host-id", to_text(data));
        cookies.insert(
            cookie
                .set_path("/")
                .set_secure(true)
                .set_http_only(true)
                .set_same_site(SameSite::Lax),
        );
        cookies.header_values(processor).next().expect("just added")
    }
    let header = |processor: &Processor| {
        let line = set_cookie(processor, &visit(size));
        line.split(';').next().expect("a cookie").to_owned()
    };
    let ours = Rc::new(processor(OURS));
    let (genuine, foreign) = (header(&ours), header(&processor(STRANGER)));
    let visitors = (0..VISITORS).map(|_| header(&ours)).collect();
    let opens = |texts: Vec<String>, outcome: bool| {
        let (ours, next) = (Rc::clone(&ours), in_turns(texts));
        operation(move || {
            let cookies = RequestCookies::parse_header(next(), &ours);
            let cookie = cookies.ok().and_then(|cookies| cookies.get("__Host-id"));
            cookie.is_some_and(|cookie| serde_json::from_str::<Visit>(cookie.value()).is_ok()) == outcome
        })
    };
    let (sealing, data) = (Rc::clone(&ours), visit(size));
    Contestant::new("biscotti + serde_json")
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
