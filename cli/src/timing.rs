//! The options that say how long tokens live and deploys take.

use std::time::Duration;

use clap::Args;
use time::OffsetDateTime;

use crate::schedule::Timing;
use crate::values;

#[derive(Args)]
pub(crate) struct TimingOptions {
    /// The longest absolute timeout of every application that uses the ring, remembered sessions and `Sealer` values
    /// included. The default is the longest that any token can live
    #[arg(long, value_name = "DURATION", default_value = "400d", value_parser = values::lifetime)]
    longest: Duration,
    /// How long a deploy takes at most: from its rehearsal until the last server has the ring
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = values::duration)]
    deploy: Duration,
    /// When servers stopped sealing with the keys that are only `open`: the ring itself does not say it
    #[arg(long, value_name = "TIME", value_parser = values::instant)]
    sealed_until: Option<OffsetDateTime>,
}

impl TimingOptions {
    pub(crate) fn timing(&self) -> Timing {
        Timing {
            longest: self.longest,
            deploy: self.deploy,
            sealed_until: self.sealed_until,
        }
    }
}
