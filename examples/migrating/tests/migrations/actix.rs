use actix_session::config::{
    BrowserSession, CookieContentSecurity, PersistentSession, SessionLifecycle, TtlExtensionPolicy,
};
use actix_session::storage::{CookieSessionStore, RedisSessionStore, SessionStore};
use actix_session::{Session as OldSession, SessionMiddleware as OldSessionMiddleware};
use actix_web::cookie::Key;
use actix_web::middleware::{Condition, from_fn};
use actix_web::web::{Data, Path, ServiceConfig, get, post, scope};
use actix_web::{HttpResponse, Result};
use migrating::actix_store::adopt::adopt;
use migrating::{Login, actix_cookie, actix_store, page};
use sealed_session::actix::SessionMiddleware;
use sealed_session::adopt::{Adopted, JarReader};
use sealed_session::testing::Browser;
use sealed_session::{Lifetime, Session, Sessions};
use testkit::redis::{self, RedisServer};

use crate::world::{Server, World};

struct Servers {
    world: World,
    key: Key,
    old: Server,
    beside: Server,
    new: Server,
}

impl Servers {
    fn with_cookies() -> Self {
        use actix_cookie::{beside, new, old};

        let (world, key) = (World::new("id"), Key::generate());
        let sessions = beside::sessions(key.master(), world.sessions(), world.until()).unwrap();
        let new_sessions = new::sessions(key.master(), world.sessions(), world.until()).unwrap();
        let (of_old, of_beside) = (key.clone(), key.clone());
        Self {
            world,
            key,
            old: Server::actix(move |config| old::app(config, of_old.clone())),
            beside: Server::actix(move |config| beside::app(config, of_beside.clone(), sessions.clone())),
            new: Server::actix(move |config| new::app(config, new_sessions.clone())),
        }
    }

    fn with(store: &RedisSessionStore) -> Self {
        use actix_store::{beside, new, old};

        let (world, key) = (World::new("id"), Key::generate());
        let sessions = beside::sessions(world.sessions(), world.until()).unwrap();
        let new_sessions = new::sessions(world.sessions(), world.until()).unwrap();
        let parts = (store.clone(), key.clone());
        let (of_old, of_beside, of_new) = (parts.clone(), parts.clone(), parts);
        Self {
            world,
            key,
            old: Server::actix(move |config| {
                let (store, key) = of_old.clone();
                old::app(config, store, key);
            }),
            beside: Server::actix(move |config| {
                let (store, key) = of_beside.clone();
                beside::app(config, store, key, sessions.clone());
            }),
            new: Server::actix(move |config| {
                let (store, key) = of_new.clone();
                new::app(config, store, key, new_sessions.clone());
            }),
        }
    }

    async fn migrate(&self) {
        self.world.migrate(&self.old, &self.beside, &self.new).await;
    }

    /// The value of the old cookie of somebody who signs in at an old server.
    async fn old_cookie_of(&self, user: u32) -> String {
        let mut browser = Browser::new();
        self.old.post(&mut browser, &format!("/login/{user}")).await;
        browser.value("id").unwrap().to_owned()
    }
}

/// A Redis of a test's own. `None` if it is not installed.
async fn redis() -> Option<(RedisServer, RedisSessionStore)> {
    if !redis::is_installed() {
        return None;
    }
    let server = RedisServer::start(&[]);
    let store = RedisSessionStore::new(server.address()).await.unwrap();
    Some((server, store))
}

#[tokio::test]
async fn from_actix_sessions_cookie_store() {
    Servers::with_cookies().migrate().await;
}

#[tokio::test]
async fn from_actix_sessions_redis_store() {
    let Some((_redis, store)) = redis().await else { return };
    Servers::with(&store).migrate().await;
}

/// An old application that keeps the key of its session when somebody signs in or out.
fn careless(config: &mut ServiceConfig, middleware: OldSessionMiddleware<impl SessionStore + 'static>) {
    let app = scope("")
        .route("/", get().to(read_login))
        .route("/login/{user}", post().to(write_login))
        .route("/cart/{item}", post().to(write_item))
        .route("/logout", post().to(clear))
        .wrap(middleware);
    config.service(app);
}

async fn read_login(old: OldSession) -> Result<String> {
    Ok(page(old.get("login")?.as_ref()))
}

async fn write_login(old: OldSession, user: Path<u32>) -> Result<HttpResponse> {
    old.insert("login", Login::of(*user))?;
    Ok(HttpResponse::Ok().finish())
}

async fn write_item(old: OldSession, item: Path<String>) -> Result<HttpResponse> {
    if let Some(mut login) = old.get::<Login>("login")? {
        login.cart.push(item.into_inner());
        old.insert("login", login)?;
    }
    Ok(HttpResponse::Ok().finish())
}

async fn clear(old: OldSession) -> Result<HttpResponse> {
    old.clear();
    Ok(HttpResponse::Ok().finish())
}

/// How its first release is put together.
#[derive(Clone, Copy)]
struct Layers {
    is_in_store: bool,
    ours_is_outside: bool,
}

fn careless_beside(
    config: &mut ServiceConfig,
    middleware: OldSessionMiddleware<impl SessionStore + 'static>,
    key: &Key,
    sessions: Sessions<Login>,
    layers: Layers,
) {
    async fn login(old: OldSession, mut session: Session<Login>, user: Path<u32>) -> Result<HttpResponse> {
        session.start(Login::of(*user))?;
        write_login(old, user).await
    }
    async fn add(old: OldSession, mut session: Session<Login>, item: Path<String>) -> Result<HttpResponse> {
        session.update(|login| login.cart.push(item.clone()))?.option();
        write_item(old, item).await
    }
    async fn logout(old: OldSession, mut session: Session<Login>) -> Result<HttpResponse> {
        session.end()?;
        clear(old).await
    }
    let ours = SessionMiddleware::new(sessions);
    let app = scope("")
        .route("/", get().to(async |session: Session<Login>| page(session.get())))
        .route("/login/{user}", post().to(login))
        .route("/cart/{item}", post().to(add))
        .route("/logout", post().to(logout))
        .app_data(Data::new(key.clone()))
        .wrap(Condition::new(layers.is_in_store, from_fn(adopt)))
        .wrap(Condition::new(!layers.ours_is_outside, ours.clone()))
        .wrap(middleware)
        .wrap(Condition::new(layers.ours_is_outside, ours));
    config.service(app);
}

/// The default is kept until the browser is closed, and sent again when something is written.
fn middleware<S: SessionStore>(store: S, key: &Key, is_persistent: bool) -> OldSessionMiddleware<S> {
    let builder = OldSessionMiddleware::builder(store, key.clone());
    if is_persistent {
        let lifecycle = PersistentSession::default().session_ttl_extension_policy(TtlExtensionPolicy::OnEveryRequest);
        builder.session_lifecycle(lifecycle).build()
    } else {
        builder.build()
    }
}

#[tokio::test]
async fn an_application_that_keeps_the_key_can_migrate_from_cookies() {
    let servers = Servers::with_cookies();
    let world = &servers.world;
    for is_persistent in [false, true] {
        let of_old = servers.key.clone();
        let old = Server::actix(move |config| {
            careless(
                config,
                middleware(CookieSessionStore::default(), &of_old, is_persistent),
            );
        });
        let key = servers.key.clone();
        let sessions = actix_cookie::beside::sessions(key.master(), world.sessions(), world.until()).unwrap();
        let layers = Layers {
            is_in_store: false,
            ours_is_outside: true,
        };
        let beside = Server::actix(move |config| {
            let middleware = middleware(CookieSessionStore::default(), &key, is_persistent);
            careless_beside(config, middleware, &key, sessions.clone(), layers);
        });
        world.migrate(&old, &beside, &servers.new).await;
    }
}

fn careless_beside_in_store(
    servers: &Servers,
    store: &RedisSessionStore,
    is_persistent: bool,
    ours_is_outside: bool,
) -> Server {
    let world = &servers.world;
    let sessions = actix_store::beside::sessions(world.sessions(), world.until()).unwrap();
    let (store, key) = (store.clone(), servers.key.clone());
    let layers = Layers {
        is_in_store: true,
        ours_is_outside,
    };
    Server::actix(move |config| {
        let middleware = middleware(store.clone(), &key, is_persistent);
        careless_beside(config, middleware, &key, sessions.clone(), layers);
    })
}

#[tokio::test]
async fn an_application_that_keeps_the_key_can_migrate_from_redis() {
    let Some((_redis, store)) = redis().await else { return };
    let servers = Servers::with(&store);
    for is_persistent in [false, true] {
        let (of_old, key) = (store.clone(), servers.key.clone());
        let old = Server::actix(move |config| careless(config, middleware(of_old.clone(), &key, is_persistent)));
        let beside = careless_beside_in_store(&servers, &store, is_persistent, true);
        servers.world.migrate(&old, &beside, &servers.new).await;
    }
}

#[tokio::test]
async fn with_the_middlewares_the_other_way_round_it_cannot_since_the_old_cookie_outlives_the_sign_out() {
    let Some((_redis, store)) = redis().await else { return };
    let server = careless_beside_in_store(&Servers::with(&store), &store, false, false);
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

/// It was under way while somebody signed out.
#[tokio::test]
async fn after_an_old_cookie_that_comes_late_a_sign_in_needs_a_new_key() {
    let Some((_redis, store)) = redis().await else { return };
    let servers = Servers::with(&store);
    let careless = careless_beside_in_store(&servers, &store, false, true);
    for (beside, page) in [(&servers.beside, "user 8, cart: "), (&careless, "guest")] {
        let old = servers.old_cookie_of(7).await;
        let mut browser = Browser::new();
        browser.put(&format!("id={old}"));
        servers.new.post(&mut browser, "/logout").await;
        assert!(browser.value("id").is_none());
        browser.put(&format!("id={old}"));
        assert_eq!(beside.home(&mut browser).await, "guest");
        beside.post(&mut browser, "/login/8").await;
        assert_eq!(beside.home(&mut browser).await, page);
    }
}

/// actix-web finds a cookie under other spellings of its name, too. The data must be those of the key that is judged.
#[tokio::test]
async fn a_stolen_cookie_next_to_a_good_one_stays_signed_out() {
    let Some((_redis, store)) = redis().await else { return };
    let servers = Servers::with(&store);
    let (stolen, own) = (servers.old_cookie_of(7).await, servers.old_cookie_of(9).await);
    let mut victim = Browser::new();
    victim.put(&format!("id={stolen}"));
    servers.new.post(&mut victim, "/logout").await;
    for name in ["id", "i%64", "%69%64", "\u{a0}id", "id\u{3000}"] {
        for server in [&servers.beside, &servers.new] {
            let mut thief = Browser::new();
            thief.put(&format!("{name}={stolen}"));
            thief
                .set_cookie(&format!("id={own}; Domain=shop.example; Secure"))
                .unwrap();
            assert_eq!(thief.cookie_field(), format!("{name}={stolen}; id={own}"));
            assert_eq!(server.home(&mut thief).await, "guest", "{name}");
        }
    }
}

/// A new value would be a session that nobody has revoked.
#[tokio::test]
async fn a_stolen_cookie_is_not_sealed_anew_after_the_sign_out() {
    let servers = Servers::with_cookies();
    for last in [&servers.beside, &servers.new] {
        let (stolen, own) = (servers.old_cookie_of(7).await, servers.old_cookie_of(9).await);
        let mut victim = Browser::new();
        victim.put(&format!("id={stolen}"));
        last.post(&mut victim, "/logout").await;
        // Alone, and where actix-session finds it before one of the thief's own.
        for (field, page) in [
            (format!("id={stolen}"), "guest"),
            (format!("i%64={stolen}; id={own}"), "user 9"),
        ] {
            let mut thief = Browser::new();
            thief.put(&field);
            servers.beside.home(&mut thief).await;
            servers.beside.post(&mut thief, "/cart/bread").await;
            thief.remove("i%64");
            for server in [&servers.beside, &servers.new] {
                let seen = server.home(&mut thief).await;
                assert!(seen.starts_with(page), "the thief is {seen}");
            }
        }
    }
}

/// `OnEveryRequest` seals whatever came, so release 1 goes without it.
#[tokio::test]
async fn a_persistent_cookie_that_every_request_extends_is_sealed_anew_after_the_sign_out() {
    let servers = Servers::with_cookies();
    let world = &servers.world;
    for (extension, page) in [
        (TtlExtensionPolicy::OnStateChanges, "guest"),
        (TtlExtensionPolicy::OnEveryRequest, "user 7, cart: "),
    ] {
        let key = servers.key.clone();
        let sessions = actix_cookie::beside::sessions(key.master(), world.sessions(), world.until()).unwrap();
        let beside = Server::actix(move |config| {
            let lifecycle = PersistentSession::default().session_ttl_extension_policy(extension.clone());
            let middleware = OldSessionMiddleware::builder(CookieSessionStore::default(), key.clone());
            let middleware = middleware.session_lifecycle(lifecycle).build();
            let layers = Layers {
                is_in_store: false,
                ours_is_outside: true,
            };
            careless_beside(config, middleware, &key, sessions.clone(), layers);
        });
        let stolen = servers.old_cookie_of(7).await;
        let (mut victim, mut thief) = (Browser::new(), Browser::new());
        victim.put(&format!("id={stolen}"));
        beside.post(&mut victim, "/logout").await;
        thief.put(&format!("id={stolen}"));
        assert_eq!(beside.home(&mut thief).await, "guest");
        assert_eq!(beside.home(&mut thief).await, page);
    }
}

#[tokio::test]
async fn nothing_is_written_into_a_planted_session() {
    let Some((_redis, store)) = redis().await else { return };
    let servers = Servers::with(&store);
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

async fn an_old_session_next_to_ours_ends_with_it(servers: &Servers) {
    for act in ["/logout", "/login/8"] {
        let mut browser = Browser::new();
        servers.new.post(&mut browser, "/login/7").await;
        // While the second release is deployed, the first one writes both.
        servers.beside.post(&mut browser, "/login/7").await;
        let copy = format!("id={}", browser.value("id").unwrap());
        servers.new.post(&mut browser, act).await;
        for server in [&servers.beside, &servers.new] {
            let mut thief = Browser::new();
            thief.put(&copy);
            assert_eq!(server.home(&mut thief).await, "guest", "after {act}");
        }
    }
}

#[tokio::test]
async fn an_old_session_in_a_cookie_next_to_ours_ends_with_it() {
    an_old_session_next_to_ours_ends_with_it(&Servers::with_cookies()).await;
}

#[tokio::test]
async fn an_old_session_in_redis_next_to_ours_ends_with_it() {
    let Some((_redis, store)) = redis().await else { return };
    an_old_session_next_to_ours_ends_with_it(&Servers::with(&store)).await;
}

#[tokio::test]
async fn a_session_that_expired_in_redis_is_nobody() {
    let Some((redis, store)) = redis().await else { return };
    let servers = Servers::with(&store);
    let old = servers.old_cookie_of(7).await;
    for (page, command) in [("user 7, cart: ", "FLUSHALL"), ("guest", "PING")] {
        for server in [&servers.old, &servers.beside, &servers.new] {
            let mut browser = Browser::new();
            browser.put(&format!("id={old}"));
            assert_eq!(server.home(&mut browser).await, page);
        }
        redis.cli(&[command]);
    }
}

#[tokio::test]
async fn visitors_without_an_old_cookie_need_no_redis_in_the_second_release() {
    let Some((mut redis, store)) = redis().await else {
        return;
    };
    let servers = Servers::with(&store);
    redis.kill();
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

/// Visitors who close the browser and open it again.
#[tokio::test]
async fn a_persistent_session_becomes_a_remembered_one() {
    let servers = Servers::with_cookies();
    let world = &servers.world;
    let key = servers.key.clone();
    let old = Server::actix(move |config| careless(config, middleware(CookieSessionStore::default(), &key, true)));
    let read = JarReader::private("id", servers.key.master()).unwrap().read(login);
    let remembered = move |value: &str| {
        let mut old: Adopted<Login> = read(value)?;
        old.remembered = true;
        Some(old)
    };
    let sessions = world.sessions().remembered(Lifetime::default());
    let sessions = sessions.adopt("id", world.until(), remembered).build().unwrap();
    let new = Server::actix(move |config| actix_cookie::new::app(config, sessions.clone()));
    let mut browser = Browser::new();
    old.post(&mut browser, "/login/7").await;
    for _ in 0..2 {
        browser.restart();
        assert_eq!(new.home(&mut browser).await, "user 7, cart: ");
    }
    // The default.
    let mut browser = Browser::new();
    servers.old.post(&mut browser, "/login/7").await;
    browser.restart();
    assert_eq!(servers.old.home(&mut browser).await, "guest");
}

fn login(json: &str) -> Option<Login> {
    let entries: std::collections::HashMap<String, String> = serde_json::from_str(json).ok()?;
    serde_json::from_str(entries.get("login")?).ok()
}

#[tokio::test]
async fn signed_cookies_are_read_too() {
    let servers = Servers::with_cookies();
    let world = &servers.world;
    let key = servers.key.clone();
    let old = Server::actix(move |config| {
        let builder = OldSessionMiddleware::builder(CookieSessionStore::default(), key.clone());
        careless(
            config,
            builder.cookie_content_security(CookieContentSecurity::Signed).build(),
        );
    });
    let read = JarReader::signed("id", servers.key.master()).unwrap().read(login);
    let sessions = world.sessions().adopt("id", world.until(), read).build().unwrap();
    let new = Server::actix(move |config| actix_cookie::new::app(config, sessions.clone()));
    let mut browser = Browser::new();
    old.post(&mut browser, "/login/7").await;
    let mut other = Browser::new();
    other.put(&browser.cookie_field());
    assert_eq!(servers.new.home(&mut other).await, "guest", "it is not encrypted");
    assert_eq!(new.home(&mut browser).await, "user 7, cart: ");
    assert!(browser.value("__Host-id").is_some() && browser.value("id").is_none());
}

/// With the cookie store each of these is another session here.
#[tokio::test]
async fn a_look_sends_the_old_cookie_again_only_if_it_is_persistent_and_extended_by_every_request() {
    let key = Key::generate();
    let extended = PersistentSession::default().session_ttl_extension_policy(TtlExtensionPolicy::OnEveryRequest);
    for (lifecycle, again) in [
        (BrowserSession::default().into(), false),
        (
            BrowserSession::default()
                .state_ttl_extension_policy(TtlExtensionPolicy::OnEveryRequest)
                .into(),
            false,
        ),
        (PersistentSession::default().into(), false),
        (SessionLifecycle::PersistentSession(extended), true),
    ] {
        let (key, shown) = (key.clone(), format!("{lifecycle:?}"));
        let old = Server::actix(move |config| {
            let builder = OldSessionMiddleware::builder(CookieSessionStore::default(), key.clone());
            careless(config, builder.session_lifecycle(lifecycle.clone()).build());
        });
        let mut browser = Browser::new();
        old.post(&mut browser, "/login/7").await;
        let before = browser.value("id").unwrap().to_owned();
        assert_eq!(old.home(&mut browser).await, "user 7, cart: ");
        assert_eq!(browser.value("id") != Some(&*before), again, "{shown}");
    }
}

#[tokio::test]
async fn update_alone_is_not_saved_by_actix_session() {
    let key = Key::generate();
    let old = Server::actix(move |config| {
        async fn update(old: OldSession) -> Result<String> {
            old.update("login", |_: Login| Login::of(8))?;
            read_login(old).await
        }
        let app = scope("")
            .route("/login/{user}", post().to(write_login))
            .route("/", get().to(update));
        config.service(app.wrap(middleware(CookieSessionStore::default(), &key, false)));
    });
    let mut browser = Browser::new();
    old.post(&mut browser, "/login/7").await;
    let before = browser.value("id").unwrap().to_owned();
    assert_eq!(old.home(&mut browser).await, "user 8, cart: ");
    assert_eq!(browser.value("id"), Some(&*before));
}
