//! One story for any stack of any framework, and the flaws that it can show.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use sealed_session::testing::Browser;
use sealed_session::{Session, Sessions, WriteError};
use serde::{Deserialize, Serialize};

use testkit::{START, ring};

/// The faults of a layer on the wrong side of the session layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flaw {
    /// A page that depends on the session does not name `Cookie` in its last `Vary` line, the only one that nginx
    /// before 1.23 keeps.
    VaryHidden,
    /// A page that a session cookie brought is not private.
    NotPrivate,
    /// A visitor got the page of another visitor, or was told to show it again.
    PageOfAnother,
    /// A response whose handler never looked at the session has something of it.
    AssetTouched,
    /// A 304, which freshens what caches have stored, sets a cookie.
    CookieWith304,
    /// A renewal was due, and no page brought it.
    NotRenewed,
    /// A write by GET was lost because the page had not changed: the 304 takes no cookie.
    WriteLostWith304,
    /// A sign-out was lost because its request took too long, or its handler panicked.
    SignOutLost,
    /// The log shows a token.
    TokenLogged,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Login {
    name: String,
    seen: u64,
}

// --- The application without its framework. ---

/// The answer of a handler. A field says too whose page it is, since a body may be compressed.
pub(crate) struct Page {
    pub(crate) of: String,
    pub(crate) number: u64,
}

impl Page {
    fn of(session: &Session<Login>) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        Self {
            of: session.get().map_or("guest".to_owned(), |login| login.name.clone()),
            number: NUMBER.fetch_add(1, Relaxed),
        }
    }

    /// The same for the same visitor, and long enough for compression.
    pub(crate) fn body(&self) -> String {
        format!("the page of {} ", self.of).repeat(20)
    }
}

pub(crate) const PUBLIC: &str = "public, max-age=60";

pub(crate) fn greet(session: &Session<Login>) -> Page {
    Page::of(session)
}

pub(crate) fn enter(session: &mut Session<Login>, name: &str) -> Result<Page, WriteError> {
    let name = name.to_owned();
    session.start(Login { name, seen: 0 })?;
    Ok(Page::of(session))
}

/// Writes without a change of the page.
pub(crate) fn count(session: &mut Session<Login>) -> Result<Page, WriteError> {
    let _ = session.update(|login| login.seen += 1)?;
    Ok(Page::of(session))
}

// --- The stack under test. ---

pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) fields: Vec<(&'static str, String)>,
}

/// Status and header lines.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) lines: Vec<(String, String)>,
}

impl Answer {
    fn all<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        let lines = self.lines.iter().filter(move |(other, _)| other == name);
        lines.map(|(_, value)| value.as_str())
    }

    fn one(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }
}

pub(crate) type Served = Pin<Box<dyn Future<Output = Answer>>>;
/// A stack with the application in it.
pub(crate) type App = Box<dyn Fn(Ask) -> Served>;

/// Sessions, and a guest whose clock is theirs.
pub(crate) fn sessions() -> (Sessions<Login>, Browser) {
    let guest = Browser::at(START);
    let sessions = Sessions::builder(ring()).clock(guest.clock()).build();
    (sessions.expect("the configuration is sound"), guest)
}

/// The flaws of a stack that has these layers, with such a guest and such a log.
pub(crate) async fn flaws(app: &App, layers: &[&str], guest: &Browser, log: impl Fn() -> String) -> BTreeSet<Flaw> {
    let mut story = Story {
        app,
        flaws: BTreeSet::new(),
        tokens: BTreeSet::new(),
    };
    let [mut guest, mut ada, mut bob] = ["guest", "ada", "bob"].map(|name| Visitor {
        name,
        signed_in: false,
        browser: guest.another(),
    });

    // Guests first, so that a cache has something to give away.
    let stored = story.get(&mut guest, "/greeting", "").await;
    let again = story.get(&mut guest, "/greeting", "").await;
    let served_twice = stored.one("x-number") == again.one("x-number");
    let has = |names: [&str; 2]| names.iter().any(|name| layers.contains(name));
    // Every layer that is there does something.
    assert_eq!(served_twice, has(["response cache"; 2]));
    assert_eq!(
        stored.one("content-encoding") == "gzip",
        has(["CompressionLayer", "Compress"])
    );
    assert_eq!(
        stored.one("access-control-allow-origin") == ORIGIN,
        has(["CorsLayer", "Cors"])
    );
    story.sign_in(&mut ada, "/enter/ada").await;
    story.sign_in(&mut bob, "/enter/bob").await;
    for _ in 0..2 {
        for visitor in [&mut ada, &mut bob, &mut guest] {
            story.get(visitor, "/greeting", "").await;
            story.get(visitor, "/asset", "").await;
        }
    }

    // A page that one visitor has already, another has not.
    let has_etag = has(["ETag layer", "careful ETag layer"]);
    let tag = story.get(&mut ada, "/greeting", "").await.one("etag").to_owned();
    let known = story.get(&mut ada, "/greeting", &tag).await;
    assert_eq!(known.status == 304, has_etag);
    if story.get(&mut bob, "/greeting", &tag).await.status == 304 {
        story.flaws.insert(Flaw::PageOfAnother);
    }

    // A renewal is due. A 304 does not bring it, the next page does.
    ada.browser.pass(Duration::from_secs(400));
    let before = ada.browser.cookie_field();
    story.get(&mut ada, "/greeting", &tag).await;
    story.get(&mut ada, "/greeting", "").await;
    if ada.browser.cookie_field() == before {
        story.flaws.insert(Flaw::NotRenewed);
    }

    // A write that does not show.
    let tag = story.get(&mut ada, "/count", "").await.one("etag").to_owned();
    let count = story.get(&mut ada, "/count", &tag).await;
    if count.status == 304 && count.one("set-cookie").is_empty() {
        story.flaws.insert(Flaw::WriteLostWith304);
    }

    // A sign-out, and sign-outs whose requests fail.
    for (path, layer, status) in [
        ("/leave", "", 200),
        ("/leave/late", "TimeoutLayer", 408),
        ("/leave/panic", "CatchPanicLayer", 500),
    ] {
        if layer.is_empty() || layers.contains(&layer) {
            story.sign_in(&mut ada, "/enter/ada").await;
            ada.signed_in = false;
            let left = story.visit(&mut ada, "POST", path, "").await;
            assert_eq!(left.status, status, "{path}");
            if !ada.browser.cookie_field().is_empty() {
                story.flaws.insert(Flaw::SignOutLost);
            }
        }
    }

    let log = log();
    assert_eq!(log.contains("/greeting"), layers.contains(&"TraceLayer"));
    if story.tokens.iter().any(|token| log.contains(token)) {
        story.flaws.insert(Flaw::TokenLogged);
    }
    story.flaws
}

struct Visitor {
    name: &'static str,
    signed_in: bool,
    browser: Browser,
}

struct Story<'a> {
    app: &'a App,
    flaws: BTreeSet<Flaw>,
    tokens: BTreeSet<String>,
}

impl Story<'_> {
    async fn sign_in(&mut self, visitor: &mut Visitor, path: &'static str) {
        visitor.signed_in = true;
        self.visit(visitor, "POST", path, "").await;
        assert!(
            !visitor.browser.cookie_field().is_empty(),
            "{} is signed in",
            visitor.name
        );
    }

    async fn get(&mut self, visitor: &mut Visitor, path: &'static str, tag: &str) -> Answer {
        self.visit(visitor, "GET", path, tag).await
    }

    /// One request, with every check that needs only its answer.
    async fn visit(&mut self, visitor: &mut Visitor, method: &'static str, path: &'static str, tag: &str) -> Answer {
        let sent = visitor.browser.cookie_field();
        let fields = [
            ("accept-encoding", "gzip"),
            ("origin", ORIGIN),
            ("cookie", &sent),
            ("if-none-match", tag),
        ];
        let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
        let fields = fields.map(|(name, value)| (name, value.to_owned())).collect();
        let answer = (self.app)(Ask { method, path, fields }).await;
        visitor.browser.receive(&answer.lines);
        let tokens = sent.split("; ").filter_map(|pair| pair.split_once('='));
        self.tokens.extend(tokens.map(|(_, token)| token.to_owned()));

        let names_cookie = |line: &str| line.split(',').any(|name| name.trim().eq_ignore_ascii_case("cookie"));
        let sets_cookie = answer.all("set-cookie").next().is_some();
        let mut found = |flaw, is_there: bool| {
            if is_there {
                self.flaws.insert(flaw);
            }
        };
        found(Flaw::CookieWith304, answer.status == 304 && sets_cookie);
        if path == "/asset" {
            let control: Vec<_> = answer.all("cache-control").collect();
            let touched = sets_cookie || control != [PUBLIC] || answer.all("vary").any(names_cookie);
            found(Flaw::AssetTouched, touched);
        } else if answer.all("x-of").next().is_some() {
            let expected = if visitor.signed_in { visitor.name } else { "guest" };
            found(Flaw::PageOfAnother, answer.one("x-of") != expected);
            found(
                Flaw::VaryHidden,
                !answer.all("vary").next_back().is_some_and(names_cookie),
            );
            let private = answer.one("cache-control").starts_with("private");
            found(Flaw::NotPrivate, !sent.is_empty() && !private);
        }
        answer
    }
}

pub(crate) const ORIGIN: &str = "https://shop.example";
