use hyper::Method;
use migrating::iron::reader::Passwords;
use migrating::iron::{beside, new};
use sealed_session::testing::Browser;

use crate::world::{Server, World};

const PASSWORDS: &str = r#"{"1": "the first password of the old shop", "2": "the second pässword of the old shop"}"#;
const OLD: &str = include_str!("../../src/iron/old.js");

fn passwords() -> Passwords {
    Passwords {
        newest: (2, "the second pässword of the old shop".to_owned()),
        older: vec![(1, "the first password of the old shop".to_owned())],
    }
}

struct Shop {
    world: World,
    old: Server,
    beside: Server,
    new: Server,
}

impl Shop {
    async fn open(script: &str) -> Self {
        let world = World::new("login");
        let old = Server::node("iron", script, &[("PASSWORDS", PASSWORDS)]);
        let beside = Server::axum(beside::app(passwords(), world.sessions(), world.until()).unwrap()).await;
        let new = Server::axum(new::app(passwords(), world.sessions(), world.until()).unwrap()).await;
        Self {
            world,
            old,
            beside,
            new,
        }
    }

    async fn migrate(&self) {
        self.world.migrate(&self.old, &self.beside, &self.new).await;
    }
}

#[tokio::test]
async fn from_iron_session_9() {
    Shop::open(OLD).await.migrate().await;
}

#[tokio::test]
async fn from_iron_session_8() {
    let script = OLD.replace("from \"iron-session\"", "from \"iron-session-8\"");
    assert_ne!(script, OLD);
    Shop::open(&script).await.migrate().await;
}

#[tokio::test]
async fn from_iron_session_with_reads_first() {
    let Shop {
        world,
        old,
        beside,
        new,
    } = Shop::open(OLD).await;
    world.migrate_with_reads_first(&old, &beside, &new).await;
}

#[tokio::test]
async fn visitors_stay_signed_in_when_they_close_the_browser() {
    let Shop { old, beside, new, .. } = Shop::open(OLD).await;
    let mut browser = Browser::new();
    for (first, then) in [
        (&old, &beside),
        (&beside, &old),
        (&old, &new),
        (&beside, &new),
        (&new, &beside),
    ] {
        first.request(&mut browser, Method::POST, "/login/7").await;
        for _ in 0..2 {
            browser.restart();
            assert_eq!(then.home(&mut browser).await, "user 7, cart: ");
        }
    }
    // A sign-in at the first release, with cookies that the second one has set.
    beside.request(&mut browser, Method::POST, "/login/8").await;
    let is_kept = |name| browser.cookie(name).unwrap().expires.is_some();
    assert!(is_kept("__Host-id") && is_kept("login"));
}
