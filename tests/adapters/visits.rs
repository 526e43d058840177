//! What the tests of middlewares share: the session of a visitor, sessions with an observer, and the browser's next
//! cookies.

use sealed_session::testing::Browser;
use sealed_session::{Builder, Key, KeyRing, Sessions};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use testkit::Seen;
use testkit::http::{Answer, Asks as _};
use time::OffsetDateTime;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) user: u64,
}

pub(crate) const SESSION: &str = "__Host-id";
pub(crate) const ACTIVITY: &str = "__Host-id-seen";

pub(crate) fn builder<T: Serialize + DeserializeOwned + Send + Sync + 'static>() -> Builder<T> {
    Sessions::builder(KeyRing::new(Key::generate().expect("random bytes")))
}

pub(crate) fn sessions() -> Sessions<Login> {
    builder().build().expect("the configuration is sound")
}

pub(crate) fn observed() -> (Sessions<Login>, Seen) {
    observed_with(builder())
}

pub(crate) fn observed_with(builder: Builder<Login>) -> (Sessions<Login>, Seen) {
    let seen = Seen::default();
    let sessions = builder.observer(seen.observer()).build();
    (sessions.expect("the configuration is sound"), seen)
}

/// The `Cookie` field of a visitor who has signed in just now.
pub(crate) fn signed_in(sessions: &Sessions<Login>, user: u64) -> String {
    let now = OffsetDateTime::now_utc();
    let cookies = sessions.cookie_for_at(Login { user }, now);
    cookies.expect("a small session is kept")
}

/// The `Cookie` field that a browser sends after this response.
#[track_caller]
pub(crate) fn cookies(answer: &Answer) -> String {
    let mut browser = Browser::new();
    browser.keep(answer);
    browser.cookie_field()
}
