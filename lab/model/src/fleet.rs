//! The real servers of a rotation, and the oracle: the answers that a server with a session table would have given.

use std::collections::HashMap;

use sealed_session::edge::Claims;
use sealed_session::{Reason, SessionState as Verdict};

use crate::keys::{Ring, Secret};
use crate::procedure::{LIMITS, RENEWAL};
use crate::server::{self, Answer, Jar, Server, Visit};

/// Most servers of a fleet.
pub const MOST: usize = 3;

/// Servers that answer requests. Each keeps its `Sessions`, whose ring is replaced when a request finds another one.
pub struct Fleet {
    machines: [(Ring, Server); MOST],
    /// Opens tokens under both secrets.
    reader: Server,
    /// The servers' answers. Two requests are the same if server, ring, clock and cookies are.
    answers: HashMap<Request, Response>,
    /// The real cookies of every visitor that occurred. Salts and ids are random, so the content of the tokens is the key.
    jars: HashMap<Visitor, Jar>,
    replaced: usize,
}

/// A visitor's cookies, and the facts that a server with a session table would know of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Visitor {
    pub session: Sealed,
    pub activity: Sealed,
    /// When it started, and when a server last sent the activity cookie: each by that server's clock.
    pub started: u32,
    pub seen: u32,
}

/// The unencrypted fields of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sealed {
    pub secret: Secret,
    pub expires: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A valid session was refused.
    Refused(Reason),
    /// A session was accepted after its end.
    Outlived,
    /// A cookie that was sent has another start or expiry than the rules give it, or a renewal that was due is missing.
    Misdated,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Request {
    pub server: usize,
    pub ring: Ring,
    /// The reading of the server's clock.
    pub clock: u32,
    pub visitor: Option<Visitor>,
    pub visit: Visit,
}

#[derive(Clone, Copy)]
pub struct Response {
    pub verdict: Verdict,
    /// The visitor with the cookies of the response.
    pub visitor: Option<Visitor>,
    /// Whether something was sealed that a read need not seal.
    pub is_needless: bool,
    pub fault: Option<Fault>,
}

impl Visitor {
    /// Whether the session is within its timeouts at this reading of a clock: the oracle.
    pub fn is_alive(&self, clock: u32) -> bool {
        clock < self.started + LIMITS.absolute && clock < self.seen + LIMITS.idle
    }
}

impl Fleet {
    pub fn new() -> Self {
        let machine = || (Ring::Old, server::server(Ring::Old.key_ring(), LIMITS));
        Self {
            machines: [(); MOST].map(|()| machine()),
            reader: server::server(Ring::NewOpens.key_ring(), LIMITS),
            answers: HashMap::new(),
            jars: HashMap::new(),
            replaced: 0,
        }
    }

    /// How many different requests were answered, and how often `replace_keys` was called for that.
    pub fn answered(&self) -> (usize, usize) {
        (self.answers.len(), self.replaced)
    }

    pub fn ask(&mut self, request: Request) -> Response {
        if let Some(&response) = self.answers.get(&request) {
            return response;
        }
        let jar = request.visitor.map(|visitor| {
            self.jars
                .get(&visitor)
                .expect("every visitor got its cookies here")
                .clone()
        });
        let (ring, server) = &mut self.machines[request.server];
        if *ring != request.ring {
            server.replace_keys(request.ring.key_ring());
            *ring = request.ring;
            self.replaced += 1;
        }
        let answer = server::visit(server, jar.as_ref(), request.visit, request.clock);
        let response = self.judge(request, jar, answer);
        self.answers.insert(request, response);
        response
    }

    /// Compares a server's answer with that of a server with a session table.
    fn judge(&mut self, request: Request, jar: Option<Jar>, answer: Answer) -> Response {
        let Request {
            clock, visitor, visit, ..
        } = request;
        let verdict = answer.state;
        let starts = visit == Visit::SignIn;
        let is_alive = visitor.is_some_and(|visitor| visitor.is_alive(clock));
        let mut fault = match verdict {
            Verdict::Rejected(reason) if is_alive => Some(Fault::Refused(reason)),
            Verdict::Valid if !is_alive => Some(Fault::Outlived),
            _ => None,
        };
        if fault.is_some() || (verdict != Verdict::Valid && !starts) {
            // A visitor whose session has ended forgets it, and may sign in again.
            let visitor = visitor.filter(|_| fault.is_some());
            return Response {
                verdict,
                visitor,
                is_needless: false,
                fault,
            };
        }
        let claims = |token: &Option<String>| {
            token.as_ref().map(|token| {
                let claims = Claims::parse(token).expect("a server sends tokens");
                Sealed {
                    secret: Secret::of(claims.key_id),
                    expires: server::seconds(claims.expires.into()),
                }
            })
        };
        let (session, activity) = (claims(&answer.session), claims(&answer.activity));
        let before = visitor;
        let started = match before {
            Some(before) if !starts => before.started.min(if session.is_some() { clock } else { u32::MAX }),
            _ => clock,
        };
        let seen = if activity.is_some() {
            Some(clock)
        } else {
            before.map(|before| before.seen)
        };
        let (Some(session_now), Some(activity_now), Some(seen)) = (
            session.or(before.map(|before| before.session)),
            activity.or(before.map(|before| before.activity)),
            seen,
        ) else {
            return Response {
                verdict,
                visitor: before,
                is_needless: false,
                fault: Some(Fault::Misdated),
            };
        };
        let after = Visitor {
            session: session_now,
            activity: activity_now,
            started,
            seen,
        };
        let jar = Jar {
            session: answer
                .session
                .or(jar.as_ref().map(|jar| jar.session.clone()))
                .unwrap_or_default(),
            activity: answer.activity.or(jar.map(|jar| jar.activity)).unwrap_or_default(),
        };
        let end = started + LIMITS.absolute;
        let is_well_dated = session.is_none_or(|session| session.expires == end)
            && activity.is_none_or(|activity| activity.expires == end.min(clock + LIMITS.idle))
            && server::started(&self.reader, &jar, clock) == Some(started)
            // The rest of the idle timeout after a request: it is shorter by less than the least renewal.
            && activity_now.expires + RENEWAL > end.min(clock + LIMITS.idle);
        if !is_well_dated {
            fault = Some(Fault::Misdated);
        }
        // A renewal that moves less than this is sent once, when it reaches the session's own end.
        let is_early = |activity: Sealed| {
            activity.expires != end && before.is_some_and(|before| activity.expires < before.activity.expires + RENEWAL)
        };
        let is_needless = !starts && (activity.is_some_and(is_early) || (visit == Visit::Read && session.is_some()));
        self.jars.entry(after).or_insert(jar);
        Response {
            verdict,
            visitor: Some(after),
            is_needless,
            fault,
        }
    }
}

impl Default for Fleet {
    fn default() -> Self {
        Self::new()
    }
}
