//! What is in Redis: the set of all revocations, and the stream of news (README.md, *In Redis*).

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use redis::{RedisResult, Script, Value, cmd};
use sealed_session::SessionId;
use sealed_session::revocation::Revocation;
use time::OffsetDateTime;

use crate::connection::Connection;
use crate::shared::MOST_APART;

/// The names of the keys, and the scripts that write them.
pub(crate) struct Record {
    pub(crate) set: String,
    pub(crate) stream: String,
    put: Script,
    look: Script,
}

/// The place of news in the stream: milliseconds and a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NewsId(u64, u64);

/// Entries of a stream: ids with fields. A field's name may be any bytes: whoever can write to Redis chooses it.
type Entries = Vec<HashMap<String, HashMap<Vec<u8>, Value>>>;

/// What a look found.
pub(crate) struct Look {
    /// Unix seconds by the clock of Redis.
    pub(crate) time: u64,
    /// The name that the set got when it was made; several, if several servers made it at once.
    pub(crate) made: Vec<String>,
    /// Unix seconds.
    pub(crate) cut_off: Option<u64>,
    pub(crate) latest: NewsId,
    /// Whether the news with these ids is in the stream.
    pub(crate) has: [bool; 2],
}

/// A piece of news.
pub(crate) enum News {
    List(Vec<u8>),
    RingChanged,
    /// Written when the stream was made.
    Made,
    Unknown,
}

impl Record {
    /// The keys of an audience. The braces keep them in one slot of a cluster.
    pub(crate) fn new(audience: &str) -> Self {
        Self {
            set: format!("sealed-session:{{{audience}}}:revoked"),
            stream: format!("sealed-session:{{{audience}}}:news"),
            put: Script::new(include_str!("put.lua")),
            look: Script::new(include_str!("look.lua")),
        }
    }

    /// Puts a list into the set, and into the stream if the set did not have all of it, or `always`. Returns how much
    /// was new, and the latest news afterwards.
    pub(crate) async fn put(&self, redis: &mut Connection, list: &[u8], always: bool) -> RedisResult<(usize, NewsId)> {
        let mut put = self.put.key(&self.set);
        put.key(&self.stream).arg(list).arg(MOST_NEWS).arg(u8::from(always));
        let (new, latest): (usize, String) = put.invoke_async(redis).await?;
        Ok((new, latest.parse()?))
    }

    pub(crate) async fn look(
        &self,
        redis: &mut Connection,
        known: [Option<NewsId>; 2],
        now: OffsetDateTime,
    ) -> RedisResult<Look> {
        let mut look = self.look.key(&self.set);
        look.key(&self.stream);
        for id in known {
            look.arg(id.map_or_else(String::new, |id| id.to_string()));
        }
        look.arg(now.unix_timestamp()).arg(MOST_APART);
        let (time, kept, latest, one, other): (u64, Vec<Vec<u8>>, String, u8, u8) = look.invoke_async(redis).await?;
        let kept = || kept.iter().filter_map(|member| std::str::from_utf8(member).ok());
        let cut_offs = kept().filter_map(|member| member.strip_prefix("cut-off:")?.parse().ok());
        Ok(Look {
            time,
            made: kept()
                .filter(|member| member.starts_with("made:"))
                .map(str::to_owned)
                .collect(),
            cut_off: cut_offs.max(),
            latest: latest.parse()?,
            has: [one > 0, other > 0],
        })
    }

    /// A part of the set, the entries that end last first. Returns how many members it had, and the revocations among
    /// them.
    pub(crate) async fn part(
        &self,
        redis: &mut Connection,
        from: usize,
        count: usize,
    ) -> RedisResult<(usize, Vec<Revocation>)> {
        let mut part = cmd("ZREVRANGE");
        part.arg(&self.set).arg(from).arg(from + count - 1).arg("WITHSCORES");
        let members: Vec<(Vec<u8>, f64)> = part.query_async(redis).await?;
        let revocations = members.iter().filter_map(|(member, score)| revocation(member, *score));
        Ok((members.len(), revocations.collect()))
    }

    /// The members of the set that end between these Unix seconds, both included: at most so many, and those that end
    /// first.
    pub(crate) async fn ending(
        &self,
        redis: &mut Connection,
        first: u32,
        last: u32,
        most: usize,
    ) -> RedisResult<HashSet<Vec<u8>>> {
        let mut ending = cmd("ZRANGEBYSCORE");
        ending.arg(&self.set).arg(first).arg(last);
        ending.arg("LIMIT").arg(0).arg(most).query_async(redis).await
    }

    /// At most 1,000 news after `last`, in their order. Waits for some, if `wait` says so.
    pub(crate) async fn news(
        &self,
        redis: &mut Connection,
        last: NewsId,
        wait: Option<Duration>,
    ) -> RedisResult<Vec<(NewsId, News)>> {
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(NEWS_AT_ONCE);
        if let Some(wait) = wait {
            read.arg("BLOCK").arg(wait.as_millis() as u64);
        }
        read.arg("STREAMS").arg(&self.stream).arg(last.to_string());
        let streams: Option<Vec<HashMap<Vec<u8>, Entries>>> = read.query_async(redis).await?;
        let entries = streams.into_iter().flatten().flat_map(HashMap::into_values);
        entries
            .flatten()
            .flatten()
            .map(|(id, mut fields)| {
                let mut field = |name: &str| fields.remove(name.as_bytes());
                let news = match (field("list"), field("ring"), field("made")) {
                    (Some(Value::BulkString(list)), ..) => News::List(list),
                    (_, Some(_), _) => News::RingChanged,
                    (.., Some(_)) => News::Made,
                    _ => News::Unknown,
                };
                Ok((id.parse()?, news))
            })
            .collect()
    }

    /// Waits until so many replicas have what was written on this connection. Returns how many have it.
    pub(crate) async fn replicated(redis: &mut Connection, replicas: usize, wait: Duration) -> RedisResult<usize> {
        cmd("WAIT")
            .arg(replicas)
            .arg(wait.as_millis() as u64)
            .query_async(redis)
            .await
    }
}

/// Anything else that stands in the set is left out, such as its name.
fn revocation(member: &[u8], score: f64) -> Option<Revocation> {
    let id = SessionId::from_bytes(member.try_into().ok()?);
    let is_time = score.is_finite() && score > 0.0;
    // An entry of a list ends at the latest in 2106.
    let until = is_time.then(|| score.ceil().min(u32::MAX.into()) as i64)?;
    let until = OffsetDateTime::from_unix_timestamp(until).ok()?;
    Some(Revocation { id, until })
}

impl FromStr for NewsId {
    type Err = redis::RedisError;

    fn from_str(text: &str) -> RedisResult<Self> {
        let parse = || {
            let (milliseconds, number) = text.split_once('-')?;
            Some(Self(milliseconds.parse().ok()?, number.parse().ok()?))
        };
        parse().ok_or_else(|| {
            (
                redis::ErrorKind::UnexpectedReturnType,
                "not the id of an entry of a stream",
            )
                .into()
        })
    }
}

impl fmt::Display for NewsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// How many news the stream keeps. A server that was away for longer reads the set again.
const MOST_NEWS: usize = 65_536;
pub(crate) const NEWS_AT_ONCE: usize = 1_000;
