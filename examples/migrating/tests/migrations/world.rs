//! Servers of three releases, and visitors who shop while they are replaced.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use actix_web::dev::ServerHandle;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer, rt};
use axum::Router;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::COOKIE;
use hyper::{Method, Request, StatusCode};
use migrating::Login;
use sealed_session::revocation::Revocations;
use sealed_session::testing::Browser;
use sealed_session::{Builder, Key, KeyRing, Sessions};
use testkit::http::Wire;
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;

/// A server on a free port of loopback, which stops with the test.
pub(crate) struct Server {
    wire: Wire,
    child: Option<Child>,
    actix: Option<ServerHandle>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        if let Some(actix) = &self.actix {
            // It is told at once; the future only waits for the end.
            drop(actix.stop(false));
        }
    }
}

impl Server {
    pub(crate) fn at(address: SocketAddr) -> Self {
        let wire = Wire::new(address);
        Self {
            wire,
            child: None,
            actix: None,
        }
    }

    pub(crate) async fn axum(app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self::at(listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, app).into_future());
        server
    }

    /// A server with one worker, in a thread of its own.
    pub(crate) fn actix(configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            rt::System::new().block_on(async {
                let server = HttpServer::new(move || App::new().configure(configure.clone())).workers(1);
                let server = server.disable_signals().bind("127.0.0.1:0").unwrap();
                let address = server.addrs()[0];
                let running = server.run();
                sender.send((address, running.handle())).unwrap();
                running.await.unwrap();
            });
        });
        let (address, handle) = receiver.recv().expect("the server starts");
        let mut server = Self::at(address);
        server.actix = Some(handle);
        server
    }

    /// A server in JavaScript, which prints its port. `folder` is below `src`, and has the packages of the script.
    pub(crate) fn node(folder: &str, script: &str, environment: &[(&str, &str)]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
        install(&folder);
        // Its standard input ends when the test is killed, and no server stays.
        let script = format!("process.stdin.on('end', () => process.exit()).resume();\n{script}");
        let mut child = Command::new("node")
            .args(["--input-type=module", "--eval", &script])
            .current_dir(folder)
            .env("PORT", "0")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node 20 or newer is installed");
        let mut port = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut port).unwrap();
        let port = port.trim().parse().expect("the script prints its port");
        let mut server = Self::at((Ipv4Addr::LOCALHOST, port).into());
        server.child = Some(child);
        server
    }

    /// A request of this browser, which keeps the cookies of the response. Returns the page.
    pub(crate) async fn request(&self, browser: &mut Browser, method: Method, path: &str) -> String {
        browser.visit(path);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", "shop.example");
        let request = match browser.cookie_field() {
            field if field.is_empty() => request,
            field => request.header(COOKIE, field),
        };
        let answer = self.wire.send(request.body(Full::<Bytes>::default()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        browser.receive(&answer.headers);
        answer.body
    }

    pub(crate) async fn post(&self, browser: &mut Browser, path: &str) -> String {
        self.request(browser, Method::POST, path).await
    }

    pub(crate) async fn home(&self, browser: &mut Browser) -> String {
        self.request(browser, Method::GET, "/").await
    }
}

/// Installs the packages that the folder's lock names, unless they are there.
fn install(folder: &Path) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    let written = |path: &str| fs::metadata(folder.join(path)).and_then(|file| file.modified()).ok();
    if written("node_modules/.package-lock.json") >= written("package-lock.json") {
        return;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    let status = npm.current_dir(folder).status().expect("npm is installed");
    assert!(status.success(), "npm ci in {}", folder.display());
}

/// What all servers share: the key ring, and a list of revoked sessions.
pub(crate) struct World {
    ring: Arc<KeyRing>,
    list: Revocations,
    old_cookie: &'static str,
}

/// The servers that answer for a while: `GET` requests, and all others.
#[derive(Clone, Copy)]
struct Stretch<'a> {
    readers: [&'a Server; 2],
    writers: [&'a Server; 2],
}

impl<'a> Stretch<'a> {
    fn of(servers: [&'a Server; 2]) -> Self {
        Self {
            readers: servers,
            writers: servers,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Look,
    SignIn(u32),
    SignOut,
    Buy,
}

impl World {
    /// `old_cookie` is the name of the old application's cookie.
    pub(crate) fn new(old_cookie: &'static str) -> Self {
        Self {
            ring: Arc::new(KeyRing::new(Key::generate().unwrap())),
            list: Revocations::new(),
            old_cookie,
        }
    }

    pub(crate) fn until(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + Duration::days(30)
    }

    /// The sessions of a server.
    pub(crate) fn sessions(&self) -> Builder<Login> {
        Sessions::builder(Arc::clone(&self.ring))
            .audience("shop")
            .revocation_list(self.list.clone())
    }

    /// The whole migration: as the page tells it, then in many orders of requests.
    pub(crate) async fn migrate(&self, old: &Server, beside: &Server, new: &Server) {
        self.as_the_page_says(old, beside, new).await;
        let stretches = [[old, beside], [beside, new], [new, new]].map(Stretch::of);
        for seed in 0..40 {
            self.in_some_order(&stretches, seed).await;
        }
    }

    /// A migration whose first release only reads: the old servers get all other requests, until they stop and the
    /// second release starts.
    pub(crate) async fn migrate_with_reads_first(&self, old: &Server, beside: &Server, new: &Server) {
        let reads = Stretch {
            readers: [old, beside],
            writers: [old, old],
        };
        for seed in 0..40 {
            self.in_some_order(&[reads, Stretch::of([new, new])], seed).await;
        }
    }

    /// Ada is signed in before the first release and after the second one. Bob signs out in between.
    async fn as_the_page_says(&self, old: &Server, beside: &Server, new: &Server) {
        let (mut ada, mut bob) = (Browser::new(), Browser::new());
        for (browser, user) in [(&mut ada, 7), (&mut bob, 8)] {
            old.request(browser, Method::POST, &format!("/login/{user}")).await;
            old.request(browser, Method::POST, "/cart/bread").await;
        }
        let copy = bob.cookie_field();
        assert!(copy.starts_with(&format!("{}=", self.old_cookie)), "{copy}");
        for server in [old, beside, old, beside] {
            assert_eq!(server.home(&mut ada).await, "user 7, cart: bread");
        }
        assert!(ada.value("__Host-id").is_none(), "the old application could not end it");
        beside.request(&mut bob, Method::POST, "/logout").await;
        for server in [old, beside, new] {
            assert_eq!(server.home(&mut bob).await, "guest");
        }
        for server in [beside, new] {
            let mut thief = Browser::new();
            thief.put(&copy);
            assert_eq!(server.home(&mut thief).await, "guest", "Bob has signed out");
        }
        for server in [beside, new, beside, new] {
            assert_eq!(server.home(&mut ada).await, "user 7, cart: bread");
        }
        assert!(ada.value("__Host-id").is_some() && ada.value(self.old_cookie).is_none());
        new.request(&mut ada, Method::POST, "/cart/milk").await;
        assert_eq!(new.home(&mut ada).await, "user 7, cart: bread milk");
        new.request(&mut ada, Method::POST, "/logout").await;
        assert_eq!(new.home(&mut ada).await, "guest");
    }

    async fn in_some_order(&self, stretches: &[Stretch<'_>], seed: u64) {
        let mut random = Random(seed);
        let mut browser = Browser::new();
        let mut expected: Option<Login> = None;
        for stretch in stretches {
            for _ in 0..random.below(8) {
                let server = stretch.writers[random.below(2)];
                let act = match random.below(8) {
                    0..4 => Act::Look,
                    4..6 => Act::SignIn(random.below(3) as u32),
                    6 => Act::Buy,
                    _ => Act::SignOut,
                };
                match act {
                    Act::Look => {}
                    Act::SignIn(user) => {
                        server
                            .request(&mut browser, Method::POST, &format!("/login/{user}"))
                            .await;
                        expected = Some(Login::of(user));
                    }
                    Act::SignOut => {
                        server.request(&mut browser, Method::POST, "/logout").await;
                        expected = None;
                    }
                    Act::Buy => {
                        server.request(&mut browser, Method::POST, "/cart/bread").await;
                        expected
                            .iter_mut()
                            .for_each(|login| login.cart.push("bread".to_owned()));
                    }
                }
                let server = stretch.readers[random.below(2)];
                let seen = server.home(&mut browser).await;
                assert_eq!(seen, migrating::page(expected.as_ref()), "seed {seed}, after {act:?}");
            }
        }
    }
}

/// The same choices for the same seed (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}
