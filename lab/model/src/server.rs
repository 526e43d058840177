//! One request at a real server: it takes cookies, and gives the crate's verdict and the cookies that it sets.

use std::sync::Arc;
use std::time::Duration;

use sealed_session::{Builder, KeyRing, Lifetime, RequestFields, Session, SessionState, Sessions};
use time::OffsetDateTime;

/// Second 0 of the model: half an hour before a midnight (UTC), so that tokens of one run expire on two days.
const EPOCH: i64 = 20_834 * 86_400 - 1800;

/// Seconds of the model as `h:mm:ss`.
pub fn clock(seconds: u32) -> String {
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

pub fn at(seconds: u32) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(EPOCH + i64::from(seconds)).expect("a few years after 2027")
}

pub fn seconds(unix: i64) -> u32 {
    u32::try_from(unix - EPOCH).expect("not before the model's second 0")
}

/// The sessions of one server. Their data is a number that every write changes.
pub type Server = Sessions<u8>;

pub fn server(ring: impl Into<Arc<KeyRing>>, limits: Limits) -> Server {
    let limit = |seconds: u32| Duration::from_secs(seconds.into());
    let builder: Builder<u8> = Sessions::builder(ring)
        .audience("model")
        .lifetime(Lifetime::absolute(limit(limits.absolute)).idle(limit(limits.idle)));
    let builder = match limits.remembered {
        Some((idle, absolute)) => builder.remembered(Lifetime::absolute(limit(absolute)).idle(limit(idle))),
        None => builder,
    };
    builder.build().expect("a sound configuration")
}

/// The timeouts in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub idle: u32,
    pub absolute: u32,
    pub remembered: Option<(u32, u32)>,
}

/// The cookies of a visitor.
#[derive(Clone, Debug)]
pub struct Jar {
    pub session: String,
    pub activity: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Visit {
    /// Starts a session.
    SignIn,
    /// Starts a session that is remembered.
    SignInRemembered,
    /// Looks at the session.
    Read,
    /// Changes the data of the session.
    Write,
    /// Ends the session.
    SignOut,
}

/// A server's answer to a request.
#[derive(Debug)]
pub struct Answer {
    /// Whether the request's own cookies were a session.
    pub state: SessionState,
    pub session: Option<String>,
    pub activity: Option<String>,
}

/// A request at `now` by the server's clock, answered with 200. The server has just opened the same cookies for another
/// request, which only looked: so it serves a kept session, as to most visitors.
pub fn visit(server: &Server, jar: Option<&Jar>, visit: Visit, now: u32) -> Answer {
    let name = server.cookie_name();
    let cookies = jar.map(|jar| format!("{name}={}; {name}-seen={}", jar.session, jar.activity));
    let load = || server.load_at(RequestFields::from_cookies(cookies.clone()), at(now));
    let (before, mut session) = (load(), load());
    let facts = |session: &Session<u8>| (session.state(), session.get().copied(), session.id(), session.expires());
    assert_eq!(facts(&before), facts(&session), "opened anew, and kept");
    let state = session.state();
    match visit {
        Visit::SignIn => session.start(0),
        Visit::SignInRemembered => session.start(0).and_then(|()| session.remember(true)),
        Visit::Read => Ok(()),
        Visit::Write => session.update(|number| *number = number.wrapping_add(1)).map(drop),
        Visit::SignOut => session.end(),
    }
    .expect("a small session, not finished yet");
    let patch = session.finish_patch(200);
    let mut answer = Answer {
        state,
        session: None,
        activity: None,
    };
    for line in patch.set_cookies() {
        let pair = line.split(';').next().expect("never empty");
        let (cookie, value) = pair.split_once('=').expect("a pair");
        let place = if cookie == name {
            &mut answer.session
        } else {
            &mut answer.activity
        };
        *place = Some(value.to_owned());
    }
    answer
}

/// When the session in these cookies started, as a server with this ring reads it at `now`.
pub fn started(server: &Server, jar: &Jar, now: u32) -> Option<u32> {
    let name = server.cookie_name();
    let fields = format!("{name}={}; {name}-seen={}", jar.session, jar.activity);
    let session = server.load_at(RequestFields::from_cookies([fields]), at(now));
    session.started().map(|instant| seconds(instant.unix_timestamp()))
}
