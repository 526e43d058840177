//! What is in Redis: the set of all revocations, and the stream of news (README.md, *In Redis*).

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use redis::{RedisResult, Script, Value, cmd};
use sealed_session::SessionId;
use sealed_session::revocation::{Revocation, write_list};
use time::OffsetDateTime;

use crate::clock::MOST_APART;
use crate::connection::Connection;

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
    pub(crate) has: Vec<bool>,
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

    /// Puts a list into the set, and into the stream if the set did not have all of it. Returns how much was new, and
    /// the latest news afterwards, and whether the news `before` is still there.
    pub(crate) async fn put(
        &self,
        redis: &mut Connection,
        list: &[u8],
        before: Option<NewsId>,
    ) -> RedisResult<(usize, NewsId, bool)> {
        let mut put = self.put.key(&self.set);
        put.key(&self.stream).arg(list).arg(MOST_NEWS).arg(written(before));
        let (new, latest, has_before): (usize, String, u8) = put.invoke_async(redis).await?;
        Ok((new, latest.parse()?, has_before > 0))
    }

    pub(crate) async fn look(
        &self,
        redis: &mut Connection,
        known: &[Option<NewsId>],
        now: OffsetDateTime,
    ) -> RedisResult<Look> {
        let mut look = self.look.key(&self.set);
        look.key(&self.stream).arg(now.unix_timestamp()).arg(MOST_APART);
        for id in known {
            look.arg(written(*id));
        }
        type Found = (u64, Vec<Vec<u8>>, String, Vec<u32>);
        let (time, kept, latest, has): Found = look.invoke_async(redis).await?;
        if has.len() != known.len() {
            return Err((redis::ErrorKind::UnexpectedReturnType, "a look found too little").into());
        }
        let kept = || kept.iter().filter_map(|member| std::str::from_utf8(member).ok());
        let cut_offs = kept().filter_map(|member| {
            let digits = member.strip_prefix("cut-off:")?;
            (digits.len() == 10).then(|| digits.parse().ok())?
        });
        Ok(Look {
            time,
            made: kept()
                .filter(|member| member.starts_with("made:"))
                .map(str::to_owned)
                .collect(),
            cut_off: cut_offs.max(),
            latest: latest.parse()?,
            has: has.into_iter().map(|found| found > 0).collect(),
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

    /// The members of the set that end between these Unix seconds, both included, and their ends: at most so many, and
    /// those that end first.
    pub(crate) async fn ending(
        &self,
        redis: &mut Connection,
        first: u32,
        last: u32,
        most: usize,
    ) -> RedisResult<HashMap<Vec<u8>, f64>> {
        let mut ending = cmd("ZRANGEBYSCORE");
        ending.arg(&self.set).arg(first).arg(last).arg("WITHSCORES");
        let members: Vec<_> = ending.arg("LIMIT").arg(0).arg(most).query_async(redis).await?;
        Ok(members.into_iter().collect())
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

    /// Whether the stream has this news.
    pub(crate) async fn has(&self, redis: &mut Connection, news: NewsId) -> RedisResult<bool> {
        let mut has = cmd("XRANGE");
        has.arg(&self.stream).arg(news.to_string()).arg(news.to_string());
        let found: Vec<Value> = has.query_async(redis).await?;
        Ok(!found.is_empty())
    }

    /// Waits until so many replicas have what was written on this connection; `writes` writes an empty list at once before.
    /// Returns how many have it.
    pub(crate) async fn replicated(
        &self,
        redis: &mut Connection,
        writes: bool,
        replicas: usize,
        wait: Duration,
    ) -> RedisResult<usize> {
        let mut both = redis::pipe();
        if writes {
            let news = both.cmd("XADD").arg(&self.stream).arg("MAXLEN").arg("~").arg(MOST_NEWS);
            news.arg("*").arg("list").arg(write_list(None, [])).ignore();
        }
        both.cmd("WAIT").arg(replicas).arg(wait.as_millis() as u64);
        let (found,) = both.query_async(redis).await?;
        Ok(found)
    }
}

fn written(id: Option<NewsId>) -> String {
    id.map_or_else(String::new, |id| id.to_string())
}

/// Anything else that is in the set is left out, such as its name.
fn revocation(member: &[u8], score: f64) -> Option<Revocation> {
    let id = SessionId::from_bytes(member.try_into().ok()?);
    // An entry of a list ends at the latest in 2106. One with the score +inf is not from here, and counts.
    let until = (score > 0.0).then(|| score.ceil().min(u32::MAX.into()) as i64)?;
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
