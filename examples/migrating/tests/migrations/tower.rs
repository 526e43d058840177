use async_trait::async_trait;
use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Router, middleware};
use migrating::tower::adopt::adopt;
use migrating::tower::{beside, new, old};
use migrating::{Login, page};
use sealed_session::adopt::OldCookie;
use sealed_session::testing::Browser;
use sealed_session::{Session, SessionLayer};
use testkit::redis::{self, RedisServer};
use time::{Duration, OffsetDateTime};
use tower_sessions::cookie::Key;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, Error};
use tower_sessions::{MemoryStore, Session as OldSession, SessionManagerLayer, SessionStore};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};

use crate::world::{Server, World};

struct Servers {
    world: World,
    old: Server,
    beside: Server,
    new: Server,
}

impl Servers {
    async fn with(store: impl SessionStore + Clone) -> Self {
        let world = World::new("id");
        let beside = beside::app(store.clone(), world.sessions(), world.until());
        let new = new::app(store.clone(), world.sessions(), world.until());
        Self {
            old: Server::axum(old::app(store)).await,
            beside: Server::axum(beside.map_err(|error| error.0).unwrap()).await,
            new: Server::axum(new.map_err(|error| error.0).unwrap()).await,
            world,
        }
    }

    async fn migrate(&self) {
        self.world.migrate(&self.old, &self.beside, &self.new).await;
    }
}

#[tokio::test]
async fn from_tower_sessions_in_memory() {
    Servers::with(MemoryStore::default()).await.migrate().await;
}

#[tokio::test]
async fn from_tower_sessions_in_redis() {
    if !redis::is_installed() {
        return;
    }
    let server = RedisServer::start(&[]);
    let pool = Pool::new(Config::from_url(&server.address()).unwrap(), None, None, None, 2).unwrap();
    let _connections = pool.init().await.unwrap();
    Servers::with(RedisStore::new(pool)).await.migrate().await;
}

/// An old application that keeps the id when somebody signs in or out.
fn careless(manager: SessionManagerLayer<MemoryStore>) -> Router {
    Router::new()
        .route(
            "/",
            get(async |old: OldSession| page(old.get("login").await.unwrap().as_ref())),
        )
        .route("/login/{user}", post(write_login))
        .route("/cart/{item}", post(write_item))
        .route("/logout", post(remove_login))
        .layer(manager)
}

async fn write_login(old: OldSession, Path(user): Path<u32>) {
    old.insert("login", Login::of(user)).await.unwrap();
}

async fn write_item(old: OldSession, Path(item): Path<String>) {
    if let Some(mut login) = old.get::<Login>("login").await.unwrap() {
        login.cart.push(item);
        old.insert("login", login).await.unwrap();
    }
}

async fn remove_login(old: OldSession) {
    old.remove::<Login>("login").await.unwrap();
}

/// Its first release, without the layers.
fn careless_beside() -> Router {
    async fn login(old: OldSession, mut session: Session<Login>, user: Path<u32>) {
        session.start(Login::of(*user)).unwrap();
        write_login(old, user).await;
    }
    async fn add(old: OldSession, mut session: Session<Login>, item: Path<String>) {
        session
            .update(|login| login.cart.push(item.0.clone()))
            .unwrap()
            .option();
        write_item(old, item).await;
    }
    async fn logout(old: OldSession, mut session: Session<Login>) {
        session.end().unwrap();
        remove_login(old).await;
    }
    Router::new()
        .route("/", get(async |session: Session<Login>| page(session.get())))
        .route("/login/{user}", post(login))
        .route("/cart/{item}", post(add))
        .route("/logout", post(logout))
        .layer(middleware::from_fn(adopt))
}

fn sessions_beside(world: &World) -> SessionLayer<Login> {
    let cookie = OldCookie::named("id").beside_old_servers(true);
    SessionLayer::new(world.sessions().adopt(cookie, world.until(), |_| None).build().unwrap())
}

#[tokio::test]
async fn an_application_that_keeps_the_id_can_migrate() {
    let store = MemoryStore::default();
    let servers = Servers::with(store.clone()).await;
    // `always_save` sends the old cookie with every response, even with a sign-out.
    for always_save in [false, true] {
        let manager = SessionManagerLayer::new(store.clone()).with_always_save(always_save);
        let old = Server::axum(careless(manager.clone())).await;
        let beside = careless_beside().layer(manager).layer(sessions_beside(&servers.world));
        let beside = Server::axum(beside).await;
        servers.world.migrate(&old, &beside, &servers.new).await;
    }
}

#[tokio::test]
async fn with_the_layers_the_other_way_round_it_cannot_since_the_old_cookie_outlives_the_sign_out() {
    let world = World::new("id");
    let manager = SessionManagerLayer::new(MemoryStore::default());
    let app = careless_beside().layer(sessions_beside(&world)).layer(manager);
    // The middleware is inside of both.
    let server = Server::axum(app).await;
    let mut browser = Browser::new();
    for (act, page) in [
        ("/login/7", "user 7, cart: "),
        ("/logout", "guest"),
        ("/login/7", "guest"),
    ] {
        server.post(&mut browser, act).await;
        assert_eq!(server.home(&mut browser).await, page, "after {act}");
    }
}

#[tokio::test]
async fn signed_and_private_cookies_are_opened_by_the_layer_of_tower_sessions() {
    let world = World::new("id");
    let store = MemoryStore::default();
    let manager = || SessionManagerLayer::new(store.clone());
    let (signed, private) = (Key::generate(), Key::generate());
    let sign_in = || Router::new().route("/login/{user}", post(write_login));
    let home = || {
        let home = get(async |session: Session<Login>| page(session.get()));
        Router::new().route("/", home).layer(middleware::from_fn(adopt))
    };
    let sessions = || {
        let sessions = world.sessions().adopt("id", world.until(), |_| None);
        SessionLayer::new(sessions.build().unwrap())
    };
    let pairs = [
        (
            sign_in().layer(manager().with_signed(signed.clone())),
            home().layer(manager().with_signed(signed)).layer(sessions()),
        ),
        (
            sign_in().layer(manager().with_private(private.clone())),
            home().layer(manager().with_private(private)).layer(sessions()),
        ),
    ];
    for (old, new) in pairs {
        let (old, new) = (Server::axum(old).await, Server::axum(new).await);
        let plain = Server::axum(home().layer(manager()).layer(sessions())).await;
        let mut browser = Browser::new();
        old.post(&mut browser, "/login/7").await;
        let mut other = Browser::new();
        other.put(&browser.cookie_field());
        assert_eq!(plain.home(&mut other).await, "guest", "the cookie is not the id alone");
        assert_eq!(new.home(&mut browser).await, "user 7, cart: ");
        assert!(browser.value("__Host-id").is_some() && browser.value("id").is_none());
    }
}

#[tokio::test]
async fn an_expired_record_is_nobody() {
    let store = MemoryStore::default();
    let servers = Servers::with(store.clone()).await;
    let now = OffsetDateTime::now_utc();
    for (expiry_date, page) in [
        (now + Duration::days(1), "user 7, cart: "),
        (now - Duration::seconds(1), "guest"),
    ] {
        let login = serde_json::to_value(Login::of(7)).unwrap();
        let mut record = Record {
            id: Default::default(),
            data: [("login".to_owned(), login)].into(),
            expiry_date,
        };
        store.create(&mut record).await.unwrap();
        for server in [&servers.old, &servers.beside, &servers.new] {
            let mut browser = Browser::new();
            browser.put(&format!("id={}", record.id));
            assert_eq!(server.home(&mut browser).await, page);
        }
    }
}

#[tokio::test]
async fn nothing_is_written_into_a_planted_session() {
    let servers = Servers::with(MemoryStore::default()).await;
    let (mut victim, mut attacker) = (Browser::new(), Browser::new());
    servers.old.post(&mut victim, "/login/7").await;
    servers.old.post(&mut attacker, "/login/8").await;
    let (own, planted) = (victim.cookie_field(), attacker.cookie_field());
    let mut adopted = Browser::new();
    servers.new.post(&mut adopted, "/login/7").await;
    let ours = adopted.cookie_field();
    // Two cookies of one name, in both orders, and one of ours next to the planted one.
    for [in_cart, everywhere] in [[&own, &planted], [&planted, &own], [&planted, &ours]] {
        let mut victim = Browser::new();
        victim.put(everywhere);
        victim.set_cookie(&format!("{in_cart}; Path=/cart; Secure")).unwrap();
        servers.beside.post(&mut victim, "/cart/bread").await;
        assert!(victim.cookie_field().contains(&**in_cart));
        let seen = servers.old.home(&mut attacker).await;
        assert!(seen.starts_with("user 8"), "the attacker is {seen}");
    }
}

#[tokio::test]
async fn an_old_session_next_to_ours_ends_with_it() {
    let servers = Servers::with(MemoryStore::default()).await;
    for act in ["/logout", "/login/8"] {
        let mut browser = Browser::new();
        servers.new.post(&mut browser, "/login/7").await;
        // While the second release is deployed, the first one writes both.
        servers.beside.post(&mut browser, "/login/7").await;
        let mut thief = Browser::new();
        thief.put(&format!("id={}", browser.value("id").unwrap()));
        servers.new.post(&mut browser, act).await;
        assert_eq!(servers.new.home(&mut thief).await, "guest", "after {act}");
    }
}

/// A store that cannot be reached.
#[derive(Clone, Debug)]
struct Unreachable;

#[async_trait]
impl SessionStore for Unreachable {
    async fn save(&self, _: &Record) -> session_store::Result<()> {
        Err(Error::Backend("unreachable".to_owned()))
    }

    async fn load(&self, _: &Id) -> session_store::Result<Option<Record>> {
        Err(Error::Backend("unreachable".to_owned()))
    }

    async fn delete(&self, _: &Id) -> session_store::Result<()> {
        Err(Error::Backend("unreachable".to_owned()))
    }
}

#[tokio::test]
async fn visitors_without_an_old_cookie_need_no_store_in_the_second_release() {
    let servers = Servers::with(Unreachable).await;
    let mut browser = Browser::new();
    for (act, page) in [
        ("/login/7", "user 7, cart: "),
        ("/cart/bread", "user 7, cart: bread"),
        ("/login/8", "user 8, cart: "),
        ("/logout", "guest"),
    ] {
        servers.new.post(&mut browser, act).await;
        assert_eq!(servers.new.home(&mut browser).await, page);
    }
}

#[tokio::test]
#[should_panic(expected = "unreachable")]
async fn one_who_has_an_old_cookie_alone_gets_an_error_without_the_store() {
    let servers = Servers::with(Unreachable).await;
    let mut browser = Browser::new();
    browser.put(&format!("id={}", Id::default()));
    servers.new.home(&mut browser).await;
}
