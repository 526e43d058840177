use axum_extra::extract::cookie::Key;
use migrating::jar::{beside, new, old};

use crate::world::{Server, World};

#[tokio::test]
async fn from_axum_extras_private_cookie_jar() {
    let key = Key::generate();
    let world = World::new("login");
    let old = Server::axum(old::app(key.clone())).await;
    let beside = Server::axum(beside::app(key.clone(), world.sessions(), world.until()).unwrap()).await;
    let new = Server::axum(new::app(key.master(), world.sessions(), world.until()).unwrap()).await;
    world.migrate(&old, &beside, &new).await;
}
