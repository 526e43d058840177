//! Through Redis: news by pub/sub, and everything in one key for servers that join late or missed news.
//!
//! Requests never wait for Redis. Two threads talk to it, with a connection each.

use std::convert::Infallible;
use std::thread;
use std::time::Duration;

use redis::{Client, Connection, RedisResult, Value, cmd, pipe};
use sealed_session::revocation::{RevocationCursor, Revocations};
use time::OffsetDateTime;

use crate::exchange::{Exchange, Problem, Waker};

/// A snapshot of all revocations. It does not expire, because a server that starts needs it.
const KEY: &str = "sealed-session:revocations";
/// Deltas.
const NEWS: &str = "sealed-session:news";
/// "Look at your ring file": the message is empty, and the ring is never in Redis.
const RING_CHANGED: &str = "sealed-session:ring-changed";

/// How long an answer may take before the server closes the connection and makes a new one.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a subscription may be silent before it is made anew: silence may also be a broken connection.
const SILENCE: Duration = Duration::from_secs(60);
/// The longest list that is read: 5.6 million entries.
const LARGEST: usize = 64 << 20;

/// The sending side, which also joins the key.
pub(crate) struct InRedis {
    client: Client,
    /// `None` after a failure.
    connection: Option<Connection>,
    list: Revocations,
    published: RevocationCursor,
}

impl InRedis {
    pub(crate) fn new(client: Client, list: Revocations) -> Self {
        Self {
            client,
            connection: None,
            list,
            published: RevocationCursor::default(),
        }
    }

    /// Sends the revocations of this server since `published`, and not those that it heard from others, which all servers
    /// have heard. Returns the new cursor.
    fn publish(&self, connection: &mut Connection) -> RedisResult<RevocationCursor> {
        let mut end = self.published;
        if let Some(delta) = self.list.own_delta_since_at(&mut end, OffsetDateTime::now_utc()) {
            cmd("PUBLISH").arg(NEWS).arg(delta).exec(connection)?;
        }
        Ok(end)
    }

    /// Joins the key into the list and the list into the key. All servers may do so at once: the written value always
    /// contains the old one, because nothing is written if the key has changed after it was read.
    fn join_key(&self, connection: &mut Connection) -> Result<(), Problem> {
        loop {
            cmd("WATCH").arg(KEY).exec(connection)?;
            let stored: Vec<u8> = cmd("GETRANGE").arg(KEY).arg(0).arg(LARGEST).query(connection)?;
            if stored.len() > LARGEST {
                return Err(format!("{KEY} is longer than {LARGEST} bytes; find out who writes it").into());
            }
            let now = OffsetDateTime::now_utc();
            // No key, because Redis is new or was emptied: there is nothing to join, and everything to write.
            if !stored.is_empty() {
                let joined = self.list.merge_at(&stored, now);
                joined.map_err(|error| format!("{KEY}: {error}; delete it, and the servers write it anew"))?;
            }
            let known = self.list.snapshot_at(now);
            if known == stored {
                return Ok(cmd("UNWATCH").exec(connection)?);
            }
            let written: Value = pipe().atomic().cmd("SET").arg(KEY).arg(known).query(connection)?;
            if written != Value::Nil {
                return Ok(());
            }
            // Another server was faster, so the fleet as a whole makes progress.
        }
    }
}

impl Exchange for InRedis {
    fn exchange(&mut self) -> Result<(), Problem> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.client, PATIENCE)?,
        };
        // The key first: a server that starts now finds in the key everything that another server has heard.
        let joined = self.join_key(&mut connection);
        // If anything is wrong with the key, the news is sent now, and again next time.
        let published = self.publish(&mut connection)?;
        joined?;
        self.published = published;
        self.connection = Some(connection);
        Ok(())
    }
}

/// The listening side. News that it misses without a connection is in the key.
pub(crate) struct Listener {
    pub(crate) client: Client,
    pub(crate) list: Revocations,
    pub(crate) news: Waker,
    pub(crate) ring_changed: Waker,
}

impl Listener {
    /// Listens and never returns. Prints once why it cannot.
    pub(crate) fn listen(self) {
        let mut said = None;
        loop {
            let Err(error) = self.hear(&mut said);
            if error.is_timeout() {
                continue;
            }
            let why = error.to_string();
            if said.as_ref() != Some(&why) {
                println!("no news by pub/sub: {why}");
                said = Some(why);
            }
            thread::sleep(PATIENCE);
        }
    }

    fn hear(&self, said: &mut Option<String>) -> RedisResult<Infallible> {
        let mut connection = connect(&self.client, SILENCE)?;
        let mut subscription = connection.as_pubsub();
        subscription.subscribe(&[NEWS, RING_CHANGED])?;
        *said = None;
        // Earlier news is in the key, or will be soon.
        self.news.wake();
        loop {
            let message = subscription.get_message()?;
            if message.get_channel_name() == RING_CHANGED {
                self.ring_changed.wake();
            } else if let Err(error) = self
                .list
                .merge_at(message.get_payload_bytes(), OffsetDateTime::now_utc())
            {
                println!("{NEWS}: {error}; find out which program writes there");
            }
        }
    }
}

/// A connection to a Redis that accepts it and then does not answer is closed too.
fn connect(client: &Client, silence: Duration) -> RedisResult<Connection> {
    let connection = client.get_connection_with_timeout(PATIENCE)?;
    connection.set_read_timeout(Some(silence))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    Ok(connection)
}
