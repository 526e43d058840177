use migrating::tower::{beside, new, old};
use testkit::redis::{self, RedisServer};
use tower_sessions::{MemoryStore, SessionStore};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};

use crate::world::{Server, World};

async fn migrate(store: impl SessionStore + Clone) {
    let world = World::new("id");
    let old = Server::axum(old::app(store.clone())).await;
    let beside = beside::app(store.clone(), world.sessions(), world.until());
    let beside = Server::axum(beside.map_err(|error| error.0).unwrap()).await;
    let new = new::app(store, world.sessions(), world.until());
    let new = Server::axum(new.map_err(|error| error.0).unwrap()).await;
    world.migrate(&old, &beside, &new).await;
}

#[tokio::test]
async fn from_tower_sessions_in_memory() {
    migrate(MemoryStore::default()).await;
}

#[tokio::test]
async fn from_tower_sessions_in_redis() {
    if !redis::is_installed() {
        return;
    }
    let server = RedisServer::start(&[]);
    let pool = Pool::new(Config::from_url(&server.address()).unwrap(), None, None, None, 2).unwrap();
    let _connections = pool.init().await.unwrap();
    migrate(RedisStore::new(pool)).await;
}
