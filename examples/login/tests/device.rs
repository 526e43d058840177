//! `--device` as a visitor with a device meets it: the real program, over https.

#![cfg(feature = "device")]

mod demo;

use std::fs;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use demo::{Response, RingFile, Server, command, exchange};
use sealed_session::testing::Browser;
use sha2::{Digest as _, Sha256};
use testkit::device::{Answered, Device, From, Post};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{self, CryptoProvider};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

#[test]
fn a_stolen_copy_dies_while_the_visitor_stays_signed_in() {
    let demo = Demo::start();
    let mut ada = demo.visitor();
    let signed_in = ada.post("/sign-in", "name=Ada");
    signed_in.is_sent_home();
    assert!(signed_in.field("Secure-Session-Registration").is_some());
    let page = ada.get("/");
    page.greets("Ada");
    page.shows("not bound");
    // The first proof lasts for a second, and the next request brings another one.
    ada.pass(2);
    let page = ada.get("/");
    page.shows(">bound</span>");
    page.shows("3: an activity token of a bound session");
    page.shows("4: a proof");
    demo.server.logs("Bound");
    // What is no token is not drawn.
    for rubbish in ["", "B", "BBBB", "<script>"] {
        let cookies = format!("__Host-id-proof={rubbish}; {}", ada.device.browser.cookie_field());
        let page = demo.request("GET", "/", &cookies, &[], "");
        page.greets("Ada");
        assert!(!page.body.contains("4: a proof"), "{rubbish}");
    }

    let copy = ada.device.browser.cookie_field();
    let stolen = ada.post("/thief", "");
    assert_eq!((stolen.status, stolen.field("Location")), (303, Some("/thief")));
    let page = ada.get("/thief");
    page.shows("A thief has your cookies.");
    assert_eq!(page.field("Refresh"), Some("1"));

    // A payment needs a proof of the last 10 seconds: the visitor's browser makes one, the copy is refused.
    ada.pass(11);
    ada.sees("/thief", "refused, ");
    let asked = demo.request("POST", "/prove", &copy, &[("Sec-Fetch-Site", "same-origin")], "");
    assert_eq!((asked.status, asked.field("Location")), (307, Some("./prove")));
    assert_eq!(demo.request("POST", "/prove", &copy, &[], "").status, 403);
    let paid = ada.post("/prove", "");
    assert_eq!(paid.status, 200);
    paid.shows("Your device proved itself.");
    demo.request("GET", "/", &copy, &[], "").greets("Ada");

    ada.pass(64);
    ada.sees("/thief", "The copy is dead.");
    let page = ada.get("/thief");
    page.shows("<dd>Hello, Ada.</dd>");
    page.shows("<dd>This server remembers no one.</dd>");
    assert_eq!(page.field("Refresh"), None);
    ada.get("/").greets("Ada");
    demo.request("GET", "/", &copy, &[], "").is_signed_out();
}

#[test]
fn a_browser_without_a_device_is_signed_in_all_the_same() {
    let demo = Demo::start();
    let mut ada = demo.visitor();
    ada.has_device = false;
    ada.post("/sign-in", "name=Ada").is_sent_home();
    ada.pass(600);
    let page = ada.get("/");
    page.greets("Ada");
    page.shows("not bound</span>");
    assert_eq!(page.field("Refresh"), None);
    assert_eq!(ada.post("/prove", "").status, 403);

    ada.post("/thief", "");
    let page = ada.get("/thief");
    page.shows("the copy works until the session ends");
    page.shows("<dd>refused at once</dd>");
    let copy = ada.device.browser.cookie_field();
    ada.post("/sign-out", "").is_sent_home();
    demo.request("GET", "/", &copy, &[], "").is_signed_out();
    assert_eq!(ada.get("/thief").field("Location"), Some("/"));
}

#[test]
fn over_http_nothing_is_said_of_devices() {
    let server = Server::start(&RingFile::new());
    let mut browser = server.browser();
    let signed_in = browser.post("/sign-in", "name=Ada");
    signed_in.is_sent_home();
    assert_eq!(signed_in.field("Secure-Session-Registration"), None);
    let page = browser.get("/");
    page.greets("Ada");
    assert!(!page.body.contains("Your device"));
}

/// The program, and a file that moves its clock.
struct Demo {
    server: Server,
    ring: RingFile,
    address: String,
    tls: Arc<ClientConfig>,
}

impl Demo {
    fn start() -> Self {
        let ring = RingFile::new();
        let mut command = command(&ring);
        command
            .arg("--device")
            .env("LOGIN_AHEAD", ring.0.with_extension("ahead"));
        let server = Server::spawn(&mut command);
        let line = server.logs("listening on https://localhost:");
        let port = line.rsplit(':').next().expect("a port");
        let line = server.logs("/chromium https://");
        let hash = line.rsplit(' ').next().expect("a hash");
        let provider = Arc::new(crypto::ring::default_provider());
        let verifier = OnlyThisKey(hash.to_owned(), Arc::clone(&provider));
        let tls = ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Self {
            address: format!("127.0.0.1:{port}"),
            server,
            ring,
            tls: Arc::new(tls),
        }
    }

    fn visitor(&self) -> Visitor<'_> {
        Visitor {
            demo: self,
            device: Device::new(Browser::new(), 1),
            has_device: true,
            ahead: 0,
        }
    }

    fn request(&self, method: &str, path: &str, cookies: &str, fields: &[(&str, &str)], body: &str) -> Response {
        let tls = ClientConnection::new(Arc::clone(&self.tls), "localhost".try_into().expect("a name"));
        let stream = TcpStream::connect(&self.address).expect("the server listens");
        let stream = StreamOwned::new(tls.expect("a configuration that fits"), stream);
        let own = [("Host", "localhost"), ("Cookie", cookies)];
        let fields: Vec<_> = own.into_iter().chain(fields.iter().copied()).collect();
        exchange(stream, method, path, &fields, body)
    }

    /// What a browser does by itself for its device.
    fn answer(&self, post: &Post) -> Option<Answered> {
        let fields = [
            ("Sec-Fetch-Site", "same-origin"),
            ("Sec-Secure-Session-Id", post.identifier.as_deref().unwrap_or_default()),
            ("Secure-Session-Response", post.proof.as_deref().unwrap_or_default()),
        ];
        let Response { status, fields, body } = self.request("POST", &post.path, &post.cookies, &fields, "");
        Some(Answered {
            status,
            headers: fields,
            body,
        })
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.ring.0.with_extension("ahead"));
    }
}

struct Visitor<'a> {
    demo: &'a Demo,
    device: Device,
    has_device: bool,
    ahead: u64,
}

impl Visitor<'_> {
    fn get(&mut self, path: &str) -> Response {
        self.request("GET", path, "")
    }

    fn post(&mut self, path: &str, form: &str) -> Response {
        self.request("POST", path, form)
    }

    /// A request as browsers make it: they prove the device before it, register it afterwards, repeat it if asked to.
    fn request(&mut self, method: &str, path: &str, form: &str) -> Response {
        let demo = self.demo;
        let fields = [("Sec-Fetch-Site", "same-origin")];
        loop {
            self.device.before(path, From::Here, &mut |post| demo.answer(post));
            let cookies = self.device.browser.cookie_field();
            let response = demo.request(method, path, &cookies, &fields, form);
            self.device.receive(&response.fields);
            if self.has_device {
                self.device.register(&mut |post| demo.answer(post));
            }
            if response.status != 307 {
                return response;
            }
        }
    }

    /// Lets seconds pass, here and on the server.
    fn pass(&mut self, seconds: u64) {
        self.ahead += seconds;
        self.device.browser.pass(Duration::from_secs(seconds));
        let file = self.demo.ring.0.with_extension("ahead");
        let beside = file.with_extension("beside");
        fs::write(&beside, self.ahead.to_string()).expect("the temporary directory is writable");
        fs::rename(beside, file).expect("the temporary directory is writable");
    }

    /// Looks until the page says this.
    #[track_caller]
    fn sees(&mut self, path: &str, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.get(path).body.contains(text) {
            assert!(Instant::now() < deadline, "{path} never says `{text}`");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Trusts one key, as Chromium does after `--ignore-certificate-errors-spki-list`.
#[derive(Debug)]
struct OnlyThisKey(String, Arc<CryptoProvider>);

impl ServerCertVerifier for OnlyThisKey {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        match BASE64_STANDARD.encode(Sha256::digest(key)) == self.0 {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::General("another key than the printed one".to_owned())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls12_signature(message, certificate, signed, &self.1.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(message, certificate, signed, &self.1.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.signature_verification_algorithms.supported_schemes()
    }
}
