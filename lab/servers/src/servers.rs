//! The servers. Each is one process: this program, started again with the name of the server.

mod actix;
mod axum;
mod private_jar;
mod sealed;
mod tower;

use std::io::{self, Write};
use std::net::SocketAddr;

use crate::Result;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// axum without sessions.
    Axum,
    /// axum with this crate's layer.
    Sealed,
    /// The same without its cache of opened sessions: each request is a visitor's first one.
    SealedUncached,
    /// axum-extra's `PrivateCookieJar` with serde_json.
    PrivateJar,
    /// tower-sessions with its store in memory.
    TowerMemory,
    /// tower-sessions with its store in Redis.
    TowerRedis,
    /// actix-web without sessions.
    Actix,
    /// actix-web with this crate's middleware.
    ActixSealed,
}

pub const ALL: [Server; 8] = [
    Server::Axum,
    Server::Sealed,
    Server::SealedUncached,
    Server::PrivateJar,
    Server::TowerMemory,
    Server::TowerRedis,
    Server::Actix,
    Server::ActixSealed,
];

impl Server {
    pub fn argument(self) -> &'static str {
        match self {
            Self::Axum => "axum",
            Self::Sealed => "sealed",
            Self::SealedUncached => "sealed-uncached",
            Self::PrivateJar => "private-jar",
            Self::TowerMemory => "tower-memory",
            Self::TowerRedis => "tower-redis",
            Self::Actix => "actix",
            Self::ActixSealed => "actix-sealed",
        }
    }

    /// Whose cookies the load sends: servers without sessions get those of this crate, to parse the same requests.
    pub fn cookies_of(self) -> Self {
        match self {
            Self::Axum => Self::Sealed,
            Self::Actix => Self::ActixSealed,
            other => other,
        }
    }
}

/// Serves until the process is ended. The first line on standard output is the address.
pub fn serve(name: &str, redis: &str) -> Result<()> {
    let server = ALL.into_iter().find(|server| server.argument() == name);
    match server.ok_or_else(|| format!("there is no server `{name}`"))? {
        Server::Axum => axum::serve(async || Ok(axum::plain())),
        Server::Sealed => axum::serve(async || Ok(sealed::app(sealed::sessions()?))),
        Server::SealedUncached => axum::serve(async || Ok(sealed::app(sealed::sessions_without_cache()?))),
        Server::PrivateJar => axum::serve(async || private_jar::app()),
        Server::TowerMemory => axum::serve(async || Ok(tower::in_memory())),
        Server::TowerRedis => axum::serve(async || tower::in_redis(redis).await),
        Server::Actix => actix::serve_plain(),
        Server::ActixSealed => actix::serve_sealed(sealed::sessions()?),
    }
}

fn announce(address: SocketAddr) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{address}")?;
    Ok(out.flush()?)
}
