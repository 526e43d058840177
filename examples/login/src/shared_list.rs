//! The revocations: in the memory of this server, or those of all servers in a directory or in Redis.

use std::error::Error;
use std::path::Path;

use sealed_session::revocation::{RevocationFile, RevocationList, Revocations};
#[cfg(feature = "redis")]
use sealed_session_redis::{RedisRevocations, Start, redis::Client};

pub(crate) enum SharedList {
    /// Of this server alone.
    Memory(Revocations),
    Directory(RevocationFile, Revocations),
    #[cfg(feature = "redis")]
    Redis(RedisRevocations),
}

impl SharedList {
    /// Reads what was revoked so far. It waits for Redis as long as that takes.
    pub(crate) fn open(directory: &Path) -> Result<Self, Box<dyn Error>> {
        #[cfg(feature = "redis")]
        if let Ok(address) = std::env::var(ADDRESS) {
            let list = RedisRevocations::builder(Client::open(address)?, crate::AUDIENCE);
            return Ok(Self::Redis(list.start(Start::Wait)?));
        }
        let list = Revocations::new();
        Ok(Self::Directory(
            RevocationFile::in_directory(directory, list.clone())?,
            list,
        ))
    }

    /// For `Sessions`.
    pub(crate) fn handle(&self) -> Box<dyn RevocationList> {
        match self {
            Self::Memory(list) => Box::new(list.clone()),
            Self::Directory(file, _) => Box::new(file.clone()),
            #[cfg(feature = "redis")]
            Self::Redis(list) => Box::new(list.clone()),
        }
    }

    /// How many revoked sessions this server knows.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Memory(list) | Self::Directory(_, list) => list.len(),
            #[cfg(feature = "redis")]
            Self::Redis(list) => list.health().entries,
        }
    }

    /// Waits until everything that was revoked on this server is on the disk or in Redis. The other servers know it a
    /// moment later.
    pub(crate) async fn confirmed(&self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Directory(file, _) => Ok(file.flush()?),
            #[cfg(feature = "redis")]
            Self::Redis(list) => Ok(list.confirmed(std::time::Duration::from_secs(5)).await?),
        }
    }
}

/// The variable with the address of Redis, which `--redis` sets for its servers.
#[cfg(feature = "redis")]
pub(crate) const ADDRESS: &str = "LOGIN_REDIS";
