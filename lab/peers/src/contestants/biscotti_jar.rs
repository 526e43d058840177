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

fn biscotti(size: usize, name: &'static str, is_typed: bool) -> Contestant {
    use biscotti_cookies::*;
    let (sealing, opening) = (processor(OURS), processor(OURS));
    let (data, text) = (visit(size), to_text(&visit(size)));
    let foreign = value(&processor(STRANGER), &text);
    Contestant::text(
        name,
        move || {
            let serialised = is_typed.then(|| to_text(&data));
            value(&sealing, serialised.as_deref().unwrap_or(&text))
        },
        foreign,
        move |text| {
            let cookie = opening.process_incoming("id", text);
            cookie.is_ok_and(|cookie| !is_typed || serde_json::from_str::<Visit>(cookie.value()).is_ok())
        },
    )
}

pub fn biscotti_typed(size: usize) -> Contestant {
    biscotti(size, "biscotti + serde_json", true)
}

pub fn biscotti_bytes(size: usize) -> Contestant {
    biscotti(size, "biscotti (UTF-8 only)", false)
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
    let opens = |text: &str, outcome: bool| {
        let (ours, text): (_, &'static str) = (Rc::clone(&ours), text.to_owned().leak());
        operation(move || {
            let cookies = RequestCookies::parse_header(text, &ours);
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
        .with(What::Open, opens(&genuine, true))
        .with(What::FlippedBit, opens(&flipped_cookie(&genuine), false))
        .with(What::UnknownKey, opens(&foreign, false))
        .with(What::Garbage, opens(&garbage_cookie(&genuine), false))
}
