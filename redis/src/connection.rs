//! Connections to one Redis, to the master that Sentinels name, or to a cluster.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
#[cfg(feature = "cluster")]
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, RedisFuture, RedisResult, Value};

/// How to reach Redis: made from a client of the crate `redis`.
///
/// | | from | feature |
/// |---|---|---|
/// | one Redis, with TLS and a user of its own | [`redis::Client`] | `tls` for `rediss://` |
/// | the master that Sentinels name | `redis::sentinel::SentinelClient` | `sentinel` |
/// | a cluster | `redis::cluster::ClusterClient` | `cluster` |
pub struct Redis(Kind);

enum Kind {
    One(Box<Client>),
    #[cfg(feature = "sentinel")]
    Sentinel(Box<tokio::sync::Mutex<redis::sentinel::SentinelClient>>),
    #[cfg(feature = "cluster")]
    Cluster(Box<redis::cluster::ClusterClient>),
}

impl From<Client> for Redis {
    fn from(client: Client) -> Self {
        Self(Kind::One(Box::new(client)))
    }
}

#[cfg(feature = "sentinel")]
#[cfg_attr(docsrs, doc(cfg(feature = "sentinel")))]
impl From<redis::sentinel::SentinelClient> for Redis {
    fn from(client: redis::sentinel::SentinelClient) -> Self {
        Self(Kind::Sentinel(Box::new(client.into())))
    }
}

#[cfg(feature = "cluster")]
#[cfg_attr(docsrs, doc(cfg(feature = "cluster")))]
impl From<redis::cluster::ClusterClient> for Redis {
    fn from(client: redis::cluster::ClusterClient) -> Self {
        Self(Kind::Cluster(Box::new(client)))
    }
}

impl Redis {
    /// A new connection for commands with this key. An answer on it may take as long as `patience`.
    #[cfg_attr(
        not(feature = "cluster"),
        expect(unused_variables, reason = "a cluster alone asks where the key is")
    )]
    pub(crate) async fn connect(&self, patience: Duration, key: &str) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(patience))
            .set_response_timeout(Some(patience));
        Ok(match &self.0 {
            Kind::One(client) => Connection::One(client.get_multiplexed_async_connection_with_config(&config).await?),
            #[cfg(feature = "sentinel")]
            Kind::Sentinel(client) => {
                Connection::One(client.lock().await.get_async_connection_with_config(&config).await?)
            }
            #[cfg(feature = "cluster")]
            Kind::Cluster(client) => {
                let config = redis::cluster::ClusterConfig::new()
                    .set_connection_timeout(patience)
                    .set_response_timeout(patience);
                // Never a replica, whatever the client reads from: it may lack what the news says.
                let master = Route::with_key(key, SlotAddr::Master);
                Connection::Cluster(client.get_async_connection_with_config(config).await?, master)
            }
        })
    }
}

impl Connection {
    /// A cluster's client connects to another node by itself.
    pub(crate) fn changes_unseen(&self) -> bool {
        match self {
            Self::One(_) => false,
            #[cfg(feature = "cluster")]
            Self::Cluster(..) => true,
        }
    }
}

pub(crate) enum Connection {
    One(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection, Route),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(command),
            #[cfg(feature = "cluster")]
            Self::Cluster(connection, master) => {
                let master = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(*master));
                Box::pin(connection.route_command(command.clone(), master))
            }
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            #[cfg(feature = "cluster")]
            Self::Cluster(connection, _) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            #[cfg(feature = "cluster")]
            Self::Cluster(connection, _) => connection.get_db(),
        }
    }
}
