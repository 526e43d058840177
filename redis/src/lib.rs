//! Sign-outs of [`sealed_session`] that hold on every server: a revocation list that servers share through Redis.
//!
//! Every server has the whole list in memory and answers requests from it: no request asks Redis or waits for it. A
//! revocation on one server is in Redis a moment later, and in the memory of the others a moment after that. If Redis
//! is away, every server goes on with what it knows, and catches up by itself.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use sealed_session::{Event, KeyRing, Sessions};
//! use sealed_session_redis::{RedisRevocations, Start, redis};
//! # #[derive(serde::Serialize, serde::Deserialize)]
//! # struct Login { user: u64 }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//!
//! let client = redis::Client::open("redis://shop:secret@redis.internal")?;
//! let revocations = RedisRevocations::builder(client, "shop").start(Start::Wait)?;
//! let sessions = Sessions::<Login>::builder(KeyRing::from_env("SESSION_KEYS")?)
//!     .audience("shop")
//!     .revocation_list(revocations.clone())
//!     .observer(|event: &Event| eprintln!("{event}")) // also hears when Redis is away
//!     .build()?;
//! // … serve; at shutdown:
//! revocations.flush(Duration::from_secs(5))?;
//! # Ok(())
//! # }
//! ```
//!
//! The same lines serve an application on tokio and one without: the crate has one thread of its own. In a handler that
//! must not answer before the sign-out is in Redis, await [`RedisRevocations::confirmed`].
//!
//! # What holds
//!
//! | event | what happens |
//! |---|---|
//! | a sign-out on one server | it is refused there at once, and elsewhere usually within a fifth of a second |
//! | Redis or the network is away | sign-outs hold where they were made; the others hear of them when it is back |
//! | a server is killed before its sign-outs were in Redis | these are lost; none is after `confirmed` |
//! | Redis loses data (an empty restart, an eviction, a failover) | servers notice within 5 seconds and write again what they know |
//! | a server starts | it reads all revocations before [`start`](Builder::start) returns, as its [`Start`] says |
//!
//! What Redis itself can lose, how to set it up and what is in it: README.md and docs/operating.md of the repository.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
mod connection;
mod guard;
mod list;
mod reader;
mod record;
mod shared;
mod writer;

pub use redis;

pub use crate::connection::Redis;
pub use crate::list::{Builder, Health, NotConfirmed, RedisRevocations, Start, StartError};

/// README's program is compiled with the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
