//! The application of the story, and a server of it with a clock that is moved by hand.

use std::time::Duration;

use sealed_session::keys::KeyId;
use sealed_session::testing::Browser;
use sealed_session::{Event, Key, KeyRing, Lifetime, Session, Sessions, WriteError};
use serde::{Deserialize, Serialize};
use testkit::Seen;
use testkit::http::{Answer, Asks as _, Wire};
use tokio::sync::{mpsc, oneshot};

use super::super::OPENED_CACHE;
use super::super::framework::{self, Middleware, Server};
use super::{DAY, START};
use crate::frameworks::{Broken, Reply, State, Word};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Login {
    pub(super) user: u64,
    pub(super) theme: String,
}

// --- The application. ---

/// A page: what it shows of a session.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Page {
    pub(super) user: u64,
    pub(super) theme: String,
    pub(super) id: String,
    pub(super) started: i64,
    pub(super) expires: i64,
    pub(super) remembered: bool,
}

impl Page {
    fn of(session: &Session<Login>) -> Option<Self> {
        let login = session.get()?;
        Some(Self {
            user: login.user,
            theme: login.theme.clone(),
            id: session.id()?.to_string(),
            started: session.started()?.unix_timestamp(),
            expires: session.expires()?.unix_timestamp(),
            remembered: session.is_remembered(),
        })
    }
}

#[derive(Clone)]
struct App {
    sessions: Sessions<Login>,
    late: mpsc::UnboundedSender<Late>,
}

/// A handle that outlives its request: it starts to work when the sender is used.
pub(super) struct Late {
    pub(super) go: oneshot::Sender<()>,
    pub(super) result: oneshot::Receiver<String>,
}

async fn serve(state: App) -> Server {
    let layer = Middleware::new(state.sessions.clone());
    framework::serve!(
        state,
        [
            get "/" home,
            get "/imprint" imprint,
            get "/public" public,
            post "/sign-in/{user}" sign_in,
            post "/sign-in-remembered/{user}" sign_in_remembered,
            post "/theme/{theme}" change_theme,
            post "/forget-me" forget_me,
            post "/renew" renew,
            post "/sign-out" sign_out,
            post "/sign-out-everywhere" sign_out_everywhere,
            post "/failing/sign-in/{user}" failing_sign_in,
            post "/failing/theme/{theme}" failing_theme,
            post "/failing/sign-out" failing_sign_out,
            post "/broken/sign-in/{user}" broken_sign_in,
            post "/broken/sign-out" broken_sign_out,
            post "/forbidden/sign-in/{user}" forbidden_sign_in,
            get "/stream/untouched" stream_untouched,
            get "/stream/read" stream_read,
            get "/spawn" spawn,
        ],
        layer
    )
}

type Kept = Result<Reply, WriteError>;

async fn home(session: Session<Login>) -> Reply {
    Reply::from(match Page::of(&session) {
        Some(page) => serde_json::to_string(&page).expect("a page is JSON"),
        None => format!("{:?}", session.state()),
    })
}

async fn imprint() -> Reply {
    Reply::from("made by us")
}

async fn public(session: Session<Login>) -> Reply {
    Reply::from(session.get().is_some().to_string())
        .with("cache-control", "public, max-age=600")
        .with("surrogate-control", "max-age=600")
}

fn light(user: &Word) -> Login {
    Login {
        user: user.0.parse().expect("users are numbers"),
        theme: "light".to_owned(),
    }
}

async fn sign_in(mut session: Session<Login>, user: Word) -> Kept {
    session.start(light(&user))?;
    Ok(Reply::from("welcome"))
}

async fn sign_in_remembered(mut session: Session<Login>, user: Word) -> Kept {
    session.start(light(&user))?;
    session.remember(true)?;
    Ok(Reply::from("welcome for long"))
}

async fn change_theme(mut session: Session<Login>, Word(theme): Word) -> Kept {
    let changed = session.update(|login| login.theme = theme)?;
    Ok(Reply::from(changed.option().is_some().to_string()))
}

async fn forget_me(mut session: Session<Login>) -> Reply {
    Reply::from(format!("{:?}", session.remember(false)))
}

async fn renew(mut session: Session<Login>) -> Kept {
    session.touch()?;
    Ok(Reply::from("renewed"))
}

async fn sign_out(mut session: Session<Login>) -> Kept {
    session.end()?;
    Ok(Reply::from("good-bye"))
}

async fn sign_out_everywhere(State(app): State<App>, mut session: Session<Login>) -> Kept {
    if let Some(id) = session.id() {
        app.sessions.revoke(id);
    }
    session.end()?;
    Ok(Reply::from("good-bye"))
}

async fn failing_sign_in(session: Session<Login>, user: Word) -> Reply {
    sign_in(session, user)
        .await
        .expect("a small session is kept")
        .with_status(503)
}

async fn failing_theme(session: Session<Login>, theme: Word) -> Reply {
    let changed = change_theme(session, theme).await;
    changed.expect("a small session is kept").with_status(500)
}

async fn failing_sign_out(session: Session<Login>) -> Reply {
    sign_out(session)
        .await
        .expect("nothing hinders a sign-out")
        .with_status(502)
}

async fn broken_sign_in(session: Session<Login>, user: Word) -> Result<Reply, Broken> {
    sign_in(session, user).await.expect("a small session is kept");
    Err(Broken(503))
}

async fn broken_sign_out(session: Session<Login>) -> Result<Reply, Broken> {
    sign_out(session).await.expect("nothing hinders a sign-out");
    Err(Broken(502))
}

async fn forbidden_sign_in(session: Session<Login>, user: Word) -> Result<Reply, Broken> {
    sign_in(session, user).await.expect("a small session is kept");
    Err(Broken(403))
}

async fn stream_untouched(mut session: Session<Login>) -> Reply {
    Reply::late(move || touch(&mut session))
}

async fn stream_read(mut session: Session<Login>) -> Reply {
    let before = session.get().map(|login| login.user);
    Reply::late(move || format!("{before:?} then {}", touch(&mut session)))
}

async fn spawn(State(app): State<App>, mut session: Session<Login>) -> Reply {
    let (go, gone) = oneshot::channel();
    let (answer, result) = oneshot::channel();
    tokio::spawn(async move {
        gone.await.expect("the test says go");
        answer.send(touch(&mut session)).expect("the test listens");
    });
    app.late.send(Late { go, result }).expect("the test listens");
    Reply::from("working on it")
}

/// Tries everything that can be done to a session, and says what came of it.
fn touch(session: &mut Session<Login>) -> String {
    let user = session.get().map(|login| login.user);
    let state = session.state();
    let login = Login {
        user: 99,
        theme: "late".to_owned(),
    };
    let writes = [
        session.start(login),
        session.update(|login| login.user = 99).map(drop),
        session.cycle_id(),
        session.remember(true),
        session.touch(),
        session.end(),
    ];
    let refused = writes.iter().all(|write| *write == Err(WriteError::TooLate));
    format!("{user:?}, {state:?}, all writes too late: {refused}")
}

// --- The world around it. ---

pub(super) struct World {
    /// A browser without cookies: all others go by its clock.
    pub(super) clock: Browser,
    pub(super) sessions: Sessions<Login>,
    pub(super) server: Wire,
    _running: Server,
    seen: Seen,
    pub(super) late: mpsc::UnboundedReceiver<Late>,
    pub(super) key_id: KeyId,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(
            &Browser::at(START),
            KeyRing::new(Key::generate().expect("random bytes")),
        )
        .await
    }

    pub(super) async fn with(clock: &Browser, keys: KeyRing) -> Self {
        let seen = Seen::default();
        let key_id = keys.sealing_key_at(clock.now());
        let mut builder = Sessions::builder(keys);
        if !OPENED_CACHE {
            builder = builder.opened_cache(0);
        }
        let sessions = builder
            .audience("story")
            .remembered(Lifetime::absolute(seconds(90 * DAY)).idle(seconds(14 * DAY)))
            .clock(clock.clock())
            .observer(seen.observer())
            .build()
            .expect("the configuration is sound");
        let (sender, late) = mpsc::unbounded_channel();
        let state = App {
            sessions: sessions.clone(),
            late: sender,
        };
        let running = serve(state).await;
        Self {
            clock: clock.clone(),
            sessions,
            server: Wire::new(running.address()),
            _running: running,
            seen,
            late,
            key_id,
        }
    }

    /// Unix seconds.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().unix_timestamp()
    }

    /// Lets seconds pass.
    pub(super) fn pass(&self, time: i64) {
        self.clock.pass(seconds(time));
    }

    pub(super) fn client(&self) -> Browser {
        self.clock.another()
    }

    pub(super) async fn signed_in(&self, user: u64) -> Browser {
        let mut client = self.client();
        let answer = client.post(&self.server, &format!("/sign-in/{user}")).await;
        assert_eq!(answer.status, 200);
        client
    }

    /// The events since the last call.
    pub(super) fn events(&self) -> Vec<Event> {
        self.seen.take()
    }
}

pub(super) fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).expect("spans are positive"))
}

#[track_caller]
pub(super) fn page(answer: &Answer) -> Page {
    assert_eq!(answer.status, 200);
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("there is no session: {}", answer.body))
}

#[track_caller]
pub(super) fn assert_no_session(answer: &Answer, state: &str) {
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, state));
    assert_eq!(answer.set_cookies(), [""; 0], "no cookie is deleted for being refused");
}

/// A response that depends on a session and changes nothing.
#[track_caller]
pub(super) fn assert_read(answer: &Answer) {
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert_eq!(answer.cache_control(), Some("private, no-cache"));
    assert_eq!(answer.vary(), Some("Cookie"));
}

/// A response that carries a session.
#[track_caller]
pub(super) fn assert_sets(answer: &Answer, names: &[&str]) {
    assert_eq!(answer.cookie_names(), names);
    assert_eq!(answer.cache_control(), Some("private, no-store"));
    assert_eq!(answer.vary(), Some("Cookie"));
}

#[track_caller]
pub(super) fn assert_untouched(answer: &Answer) {
    for name in ["set-cookie", "cache-control", "vary"] {
        assert_eq!(answer.line(name), None, "{name}");
    }
}
