use migrating::iron::reader::Passwords;
use migrating::iron::{beside, new};

use crate::world::{Server, World};

const PASSWORDS: &str = r#"{"1": "the first password of the old shop", "2": "the second pässword of the old shop"}"#;
const OLD: &str = include_str!("../../src/iron/old.js");

fn passwords() -> Passwords {
    Passwords {
        newest: (2, "the second pässword of the old shop".to_owned()),
        older: vec![(1, "the first password of the old shop".to_owned())],
    }
}

async fn migrate(script: &str) {
    let world = World::new("login");
    let old = Server::node("iron", script, &[("PASSWORDS", PASSWORDS)]);
    let beside = Server::axum(beside::app(passwords(), world.sessions(), world.until()).unwrap()).await;
    let new = Server::axum(new::app(passwords(), world.sessions(), world.until()).unwrap()).await;
    world.migrate(&old, &beside, &new).await;
}

#[tokio::test]
async fn from_iron_session_9() {
    migrate(OLD).await;
}

#[tokio::test]
async fn from_iron_session_8() {
    let script = OLD.replace("from \"iron-session\"", "from \"iron-session-8\"");
    assert_ne!(script, OLD);
    migrate(&script).await;
}
