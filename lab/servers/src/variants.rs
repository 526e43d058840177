//! What is compared: each variant is one request to one server.

use crate::servers::Server;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    pub server: Server,
    pub action: Action,
}

/// What the handler does with the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Everybody gets the same page. If the server has sessions, this one is not read.
    Public,
    /// The page shows the session's data.
    Read,
    /// The same, and a new activity cookie is sent.
    Touched,
    /// The data change, and the page shows them.
    Written,
}

pub const ALL: [Variant; 17] = {
    use Action::{Public, Read, Touched, Written};
    const fn of(server: Server, action: Action) -> Variant {
        Variant { server, action }
    }
    [
        of(Server::Axum, Public),
        of(Server::Sealed, Public),
        of(Server::Sealed, Read),
        of(Server::Sealed, Touched),
        of(Server::Sealed, Written),
        of(Server::SealedUncached, Read),
        of(Server::SealedUncached, Written),
        of(Server::PrivateJar, Read),
        of(Server::PrivateJar, Written),
        of(Server::TowerMemory, Read),
        of(Server::TowerMemory, Written),
        of(Server::TowerRedis, Read),
        of(Server::TowerRedis, Written),
        of(Server::Actix, Public),
        of(Server::ActixSealed, Public),
        of(Server::ActixSealed, Read),
        of(Server::ActixSealed, Written),
    ]
};

impl Variant {
    /// The same framework without sessions.
    pub fn reference(self) -> Self {
        let server = match self.server {
            Server::Actix | Server::ActixSealed => Server::Actix,
            _ => Server::Axum,
        };
        let action = Action::Public;
        Self { server, action }
    }

    pub fn target(self) -> (&'static str, &'static str) {
        match self.action {
            Action::Public => ("GET", "/public"),
            Action::Read => ("GET", "/account"),
            Action::Touched => ("GET", "/touch"),
            Action::Written => ("POST", "/basket"),
        }
    }

    /// The cookies that each answer sets.
    pub fn cookies_set(self) -> &'static [&'static str] {
        match (self.action, self.server) {
            (Action::Public | Action::Read, _) => &[],
            (Action::Touched, _) => &["__Host-id-seen"],
            (Action::Written, Server::TowerMemory | Server::TowerRedis) => &["id"],
            (Action::Written, _) => &["__Host-id"],
        }
    }

    /// What each answer tells caches.
    pub fn cache_control(self) -> Option<&'static str> {
        match (self.server, self.action) {
            (Server::Sealed | Server::SealedUncached | Server::ActixSealed, action) => match action {
                Action::Public => None,
                Action::Read | Action::Touched => Some("private, no-cache"),
                Action::Written => Some("private, no-store"),
            },
            _ => None,
        }
    }

    pub fn server_name(self) -> &'static str {
        match self.server {
            Server::Axum => "axum",
            Server::Sealed => "**sealed-session** on axum",
            Server::SealedUncached => "**sealed-session** on axum, `opened_cache(0)`",
            Server::PrivateJar => "`PrivateCookieJar` on axum",
            Server::TowerMemory => "tower-sessions on axum, in memory",
            Server::TowerRedis => "tower-sessions on axum, in Redis",
            Server::Actix => "actix-web",
            Server::ActixSealed => "**sealed-session** on actix-web",
        }
    }

    pub fn action_name(self) -> &'static str {
        match (self.action, self.reference() == self) {
            (Action::Public, true) => "no sessions",
            (Action::Public, false) => "untouched",
            (Action::Read, _) => "read",
            (Action::Touched, _) => "touched",
            (Action::Written, _) => "written",
        }
    }
}
