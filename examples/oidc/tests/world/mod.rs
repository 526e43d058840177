//! The provider, servers of the shop, and visitors.

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use http_body_util::Full;
use hyper::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST};
use hyper::{Method, Request};
use sealed_session::testing::Browser;
use testkit::Directory;
use testkit::http::{Answer, Asks, Wire};

/// The provider, and servers of the shop with the same keys.
pub(crate) struct World {
    pub(crate) provider: Provider,
    pub(crate) shops: Vec<Shop>,
    _keys: Directory,
}

impl World {
    pub(crate) fn start(shops: usize) -> Self {
        let provider = Provider::start();
        let keys = Directory::new(&format!("oidc-{}", provider.process.0.id()));
        let shops = (0..shops).map(|_| Shop::start(&provider, &keys)).collect();
        Self {
            provider,
            shops,
            _keys: keys,
        }
    }

    /// With access tokens that are good for 50 minutes. The shops of tests refresh 55 minutes before.
    pub(crate) async fn visitor_with_tokens_that_expire_soon(&mut self) -> Visitor {
        self.provider.tell("lifetime 3000");
        let mut ada = Visitor::new();
        ada.sign_in(self, "ada", "/sign-in").await;
        self.provider.grants();
        ada
    }
}

/// A browser at the shop and at the provider, which are two hosts.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) shop: Browser,
    provider: Browser,
}

impl Visitor {
    pub(crate) fn new() -> Self {
        let shop = Browser::new();
        let provider = shop.another().over_http();
        Self { shop, provider }
    }

    pub(crate) async fn get(&mut self, shop: &Shop, path: &str) -> Answer {
        self.send(&shop.wire, Method::GET, path).await
    }

    pub(crate) async fn send(&mut self, wire: &Wire, method: Method, path: &str) -> Answer {
        send(&mut self.shop, wire, "localhost:3000", method, path, "").await
    }

    /// From the sign-in page of the shop to its callback. The forms of the provider, and the answer of the callback.
    pub(crate) async fn sign_in(&mut self, world: &World, name: &str, page: &str) -> (Vec<String>, Answer) {
        let begun = self.get(&world.shops[0], page).await;
        let (forms, callback) = self.at_provider(world, name, begun.location()).await;
        let answer = self.get(&world.shops[0], &callback).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        (forms, answer)
    }

    /// Begins a sign-in. The path of its callback, which is not asked for.
    pub(crate) async fn callback(&mut self, world: &World, name: &str, change: impl Fn(&str) -> String) -> String {
        let begun = self.get(&world.shops[0], "/sign-in?next=%2Forders").await;
        self.at_provider(world, name, &change(begun.location())).await.1
    }

    /// Follows the provider's redirects and fills in its forms, until it sends the browser to the shop. The forms, and
    /// the path there.
    pub(crate) async fn at_provider(&mut self, world: &World, name: &str, address: &str) -> (Vec<String>, String) {
        let Provider { issuer, wire, .. } = &world.provider;
        let host = issuer.trim_start_matches("http://");
        let (mut forms, mut address) = (Vec::new(), address.to_owned());
        let (mut method, mut body) = (Method::GET, String::new());
        loop {
            if let Some(path) = address.strip_prefix("http://localhost:3000") {
                return (forms, path.to_owned());
            }
            let path = address.strip_prefix(issuer).unwrap_or(&address);
            let answer = send(&mut self.provider, wire, host, method, path, &body).await;
            if answer.status.is_redirection() {
                (method, body, address) = (Method::GET, String::new(), answer.location().to_owned());
                continue;
            }
            let between = |before: &str| Some(answer.body.split_once(before)?.1.split_once('"')?.0.to_owned());
            let (form, fields) = match (between("name=\"prompt\" value=\""), between("name=\"xsrf\" value=\"")) {
                (Some(prompt), _) => (prompt.clone(), format!("prompt={prompt}&login={name}&password=secret")),
                (_, Some(xsrf)) => ("sign-out".to_owned(), format!("xsrf={xsrf}&logout=yes")),
                _ => panic!("no form, but {}: {}", answer.status, answer.body),
            };
            forms.push(form);
            (method, body, address) = (Method::POST, fields, between("action=\"").expect("an action"));
        }
    }
}

async fn send(browser: &mut Browser, wire: &Wire, host: &str, method: Method, path: &str, body: &str) -> Answer {
    browser.visit(path);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, host)
        .header(ACCEPT, "text/html");
    let request = request
        .header(COOKIE, browser.cookie_field())
        .header(CONTENT_TYPE, FORM);
    let request = request
        .body(Full::from(body.to_owned()))
        .expect("the tests' paths are URIs");
    let answer = wire.send(request).await;
    browser.keep(&answer);
    answer
}

const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) trait Redirects {
    fn location(&self) -> &str;
}

impl Redirects for Answer {
    #[track_caller]
    fn location(&self) -> &str {
        let location = self.line("location");
        location.unwrap_or_else(|| panic!("no redirect, but {}: {}", self.status, self.body))
    }
}

/// A server of the shop.
pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    pub(crate) wire: Wire,
    _process: Process,
}

impl Shop {
    fn start(provider: &Provider, keys: &Directory) -> Self {
        let mut shop = Command::new(env!("CARGO_BIN_EXE_oidc"));
        shop.env("OIDC_ISSUER", &provider.issuer).env("OIDC_PORT", "0");
        shop.env("OIDC_KEYS", keys.join("keys.txt")).env("OIDC_EARLY", "3300");
        let (process, mut lines) = Process::start(&mut shop);
        let line = lines.next().expect("it prints its address").expect("text");
        let port = line.rsplit_once(':').expect("a port").1.parse().expect("a number");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            address,
            wire: Wire::new(address),
            _process: process,
        }
    }
}

pub(crate) struct Provider {
    process: Process,
    input: ChildStdin,
    printed: Receiver<String>,
    issuer: String,
    wire: Wire,
}

impl Provider {
    fn start() -> Self {
        static INSTALLED: OnceLock<()> = OnceLock::new();
        INSTALLED.get_or_init(|| {
            let install = ["ci", "--no-audit", "--no-fund", "--silent"];
            let installed = Command::new("npm").args(install).current_dir(FOLDER).status();
            assert!(installed.expect("npm is there: install Node 20 or newer").success());
        });
        let mut node = Command::new("node");
        let (mut process, mut lines) = Process::start(node.arg("provider.js").current_dir(FOLDER));
        let line = lines.next().expect("it prints its address").expect("text");
        let issuer = line.strip_prefix("issuer ").expect("its address").to_owned();
        let (sender, printed) = channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self {
            input: process.0.stdin.take().expect("it is piped"),
            process,
            printed,
            wire: Wire::new(issuer.trim_start_matches("http://").parse().expect("an address")),
            issuer,
        }
    }

    /// Gives it a command. What it has printed since the last one.
    #[track_caller]
    pub(crate) fn tell(&mut self, command: &str) -> Vec<String> {
        writeln!(self.input, "{command}").expect("it reads commands");
        self.prints(&format!("done {command}"))
    }

    /// Waits for this line. What it has printed before, since the last call.
    #[track_caller]
    pub(crate) fn prints(&mut self, wanted: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            match self.printed.recv_timeout(MINUTE) {
                Ok(line) if line == wanted => return before,
                Ok(line) => before.push(line),
                Err(error) => panic!("`{wanted}` was never printed, but {before:?}: {error}"),
            }
        }
    }

    /// What it has granted and refused since the last call.
    #[track_caller]
    pub(crate) fn grants(&mut self) -> Vec<String> {
        let lines = self.tell("release").into_iter();
        lines
            .filter(|line| line.starts_with("granted") || line.starts_with("refused"))
            .collect()
    }
}

/// A program that ends with its test.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> (Self, Lines<BufReader<ChildStdout>>) {
        let command = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = command.spawn().expect("it starts");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        (Self(process), lines)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Errors mean that it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/provider");

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
