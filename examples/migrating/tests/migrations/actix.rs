use actix_session::storage::RedisSessionStore;
use actix_web::cookie::Key;
use migrating::{actix_cookie, actix_store};
use testkit::redis::{self, RedisServer};

use crate::world::{Server, World};

#[tokio::test]
async fn from_actix_sessions_cookie_store() {
    use actix_cookie::{beside, new, old};

    let key = Key::generate();
    let world = World::new("id");
    let sessions = beside::sessions(key.master(), world.sessions(), world.until()).unwrap();
    let new_sessions = new::sessions(key.master(), world.sessions(), world.until()).unwrap();
    let of_old = key.clone();
    let old = Server::actix(move |config| old::app(config, of_old.clone()));
    let beside = Server::actix(move |config| beside::app(config, key.clone(), sessions.clone()));
    let new = Server::actix(move |config| new::app(config, new_sessions.clone()));
    world.migrate(&old, &beside, &new).await;
}

#[tokio::test]
async fn from_actix_sessions_redis_store() {
    use actix_store::{beside, new, old};

    if !redis::is_installed() {
        return;
    }
    let server = RedisServer::start(&[]);
    let store = RedisSessionStore::new(server.address()).await.unwrap();
    let key = Key::generate();
    let world = World::new("id");
    let sessions = beside::sessions(world.sessions(), world.until()).unwrap();
    let new_sessions = new::sessions(world.sessions(), world.until()).unwrap();
    let (of_old, of_beside) = ((store.clone(), key.clone()), (store.clone(), key.clone()));
    let old = Server::actix(move |config| old::app(config, of_old.0.clone(), of_old.1.clone()));
    let beside = Server::actix(move |config| {
        beside::app(config, of_beside.0.clone(), of_beside.1.clone(), sessions.clone());
    });
    let new = Server::actix(move |config| new::app(config, store.clone(), key.clone(), new_sessions.clone()));
    world.migrate(&old, &beside, &new).await;
}
