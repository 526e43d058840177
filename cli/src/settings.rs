//! The settings of an application that decide about its cookies, and its `Sessions`.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sealed_session::{Builder, KeyRing, Lifetime, Sessions};
use serde_json::Value;

use crate::answer::Failure;
use crate::values::{self, Idle};

/// The same options as on the application's builder, with the same defaults.
#[derive(Args)]
pub(crate) struct Settings {
    /// Name of the session cookie (`cookie_name`)
    #[arg(long, default_value = "__Host-id")]
    pub(crate) name: String,
    /// The application's audience (`audience`)
    #[arg(long, default_value = "")]
    audience: String,
    /// Idle timeout, or `none` (`Lifetime::idle`, `Lifetime::without_idle`) [default: 30m, or the absolute timeout if
    /// that is shorter]
    #[arg(long, value_name = "DURATION", value_parser = values::idle)]
    idle: Option<Idle>,
    /// Absolute timeout (`Lifetime::absolute`)
    #[arg(long, value_name = "DURATION", default_value = "12h", value_parser = values::lifetime)]
    absolute: Duration,
    /// Idle timeout of remembered sessions, or `none` (`remembered`) [default: 14d, or their absolute timeout if that
    /// is shorter]
    #[arg(long, value_name = "DURATION", requires = "remembered_absolute", value_parser = values::idle)]
    remembered_idle: Option<Idle>,
    /// Absolute timeout of remembered sessions; without it no session is remembered (`remembered`)
    #[arg(long, value_name = "DURATION", value_parser = values::lifetime)]
    remembered_absolute: Option<Duration>,
}

impl Settings {
    /// Name of the activity cookie.
    pub(crate) fn activity_name(&self) -> String {
        format!("{}-seen", self.name)
    }

    /// Sessions under the application's name and audience.
    fn place(&self, ring: Arc<KeyRing>) -> Builder<Value> {
        Sessions::builder(ring)
            .cookie_name(&*self.name)
            .audience(&*self.audience)
    }

    /// The longest that any session lives.
    pub(crate) fn longest(&self) -> Duration {
        self.absolute.max(self.remembered_absolute.unwrap_or_default())
    }

    /// Sessions as the application configures them, with their idle timeouts or without.
    pub(crate) fn sessions(&self, ring: Arc<KeyRing>, with_idle: bool) -> Builder<Value> {
        let lifetime = |absolute, idle| match idle {
            Some(Idle::After(idle)) if with_idle => Lifetime::absolute(absolute).idle(idle),
            None if with_idle => Lifetime::absolute(absolute),
            _ => Lifetime::absolute(absolute).without_idle(),
        };
        let builder = self.place(ring).lifetime(lifetime(self.absolute, self.idle));
        match self.remembered_absolute {
            Some(absolute) => builder.remembered(lifetime(absolute, self.remembered_idle)),
            None => builder,
        }
    }

    /// Sessions that check only keys, name and audience, to read a refused token.
    pub(crate) fn without_limits(&self, ring: Arc<KeyRing>) -> Builder<Value> {
        let longest = Duration::from_secs(400 * 86_400);
        self.place(ring)
            .lifetime(Lifetime::absolute(longest).without_idle())
            .remembered(Lifetime::absolute(longest).without_idle())
    }

    /// Sessions with the longest idle timeout there is, to tell a genuine activity token from another.
    pub(crate) fn longest_idle(&self, ring: Arc<KeyRing>) -> Builder<Value> {
        let longest = Duration::from_secs(400 * 86_400);
        self.place(ring)
            .lifetime(Lifetime::absolute(longest).idle(longest))
            .remembered(Lifetime::absolute(longest).idle(longest))
    }
}

/// Builds, or fails with the sentence of the refused configuration.
pub(crate) fn build(builder: Builder<Value>) -> Result<Sessions<Value>, Failure> {
    builder.build().map_err(Failure::usage)
}
