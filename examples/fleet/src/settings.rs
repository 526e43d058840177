//! The settings, from the environment.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use redis::Client;

pub(crate) struct Settings {
    /// `FLEET_NAME`: no other server of the fleet has it, and it stays the same after a restart.
    pub(crate) name: String,
    /// `FLEET_RING`: the file with the key ring.
    pub(crate) ring: PathBuf,
    /// `FLEET_CHANNEL`: `redis://user:password@host:port`, or the path of a directory.
    pub(crate) channel: Channel,
    /// `FLEET_INTERVAL`: seconds from one exchange to the next if there is no news. Default: 10.
    pub(crate) interval: Duration,
    /// `FLEET_RING_INTERVAL`: seconds from one look at the ring file to the next if there is no notice. Default: 10.
    pub(crate) ring_interval: Duration,
}

pub(crate) enum Channel {
    Redis(Client),
    Directory(PathBuf),
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, Box<dyn Error>> {
        let name = required("FLEET_NAME")?;
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 100 || !name.bytes().all(is_plain) {
            return Err(
                "FLEET_NAME takes 1 to 100 lower-case letters, digits and hyphens: a file is named after it".into(),
            );
        }
        let channel = required("FLEET_CHANNEL")?;
        let channel = match channel.starts_with("redis:") {
            true => Channel::Redis(Client::open(channel).map_err(|_| "FLEET_CHANNEL is not the address of a Redis")?),
            false => Channel::Directory(channel.into()),
        };
        Ok(Self {
            name,
            ring: required("FLEET_RING")?.into(),
            channel,
            interval: seconds("FLEET_INTERVAL")?,
            ring_interval: seconds("FLEET_RING_INTERVAL")?,
        })
    }
}

fn required(variable: &str) -> Result<String, String> {
    env::var(variable).map_err(|_| format!("set {variable}; README.md says to which value"))
}

fn seconds(variable: &str) -> Result<Duration, String> {
    let Ok(text) = env::var(variable) else {
        return Ok(Duration::from_secs(10));
    };
    let seconds = text.parse().ok().filter(|seconds| (1..=86_400).contains(seconds));
    let seconds = seconds.ok_or_else(|| format!("{variable} takes 1 to 86400 seconds"))?;
    Ok(Duration::from_secs(seconds))
}
