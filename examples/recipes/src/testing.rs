//! The common part of the three tests: the same requests in every framework, and the header fields that must answer them.

use sealed_session::testing::Browser;
use sealed_session::{Key, KeyRing, Sessions};

use crate::Login;

pub(crate) fn sessions() -> Sessions<Login> {
    let keys = KeyRing::new(Key::generate().expect("random bytes"));
    let sessions = Sessions::builder(keys).audience("recipes").build();
    sessions.expect("the configuration is sound")
}

/// The answer to a request.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    fn lines(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(other, _)| other == name);
        lines.map(|(_, value)| value.as_str()).collect()
    }

    #[track_caller]
    fn assert_fields(&self, cache_control: &[&str], cookie_names: &[&str]) {
        assert_eq!(self.lines("vary"), ["Cookie"]);
        assert_eq!(self.lines("cache-control"), cache_control);
        let lines = self.lines("set-cookie");
        let names = lines.iter().map(|line| line.split('=').next().unwrap_or_default());
        assert_eq!(names.collect::<Vec<_>>(), cookie_names);
    }
}

const OURS: [&str; 2] = ["__Host-id", "__Host-id-seen"];

/// Signs in, reads and signs out; `ask` sends a method, a path and a `Cookie` field. Every sign-in of the tests'
/// handlers also sets the cookie `theme=dark` and a stale `__Host-id=left-over` of their own, and a
/// `Cache-Control: public`.
pub(crate) async fn sign_in_read_sign_out(ask: impl AsyncFn(&'static str, &'static str, String) -> Answer) {
    let visitor = ask("GET", "/", String::new()).await;
    assert_eq!((visitor.status, visitor.body.as_str()), (200, "nobody"));
    visitor.assert_fields(&[], &[]);

    let welcome = ask("POST", "/sign-in", String::new()).await;
    assert_eq!((welcome.status, welcome.body.as_str()), (200, "welcome"));
    welcome.assert_fields(&["private, no-store"], &["theme", OURS[0], OURS[1]]);
    let mut browser = Browser::new();
    browser.receive(&welcome.headers);
    assert!(!browser.cookie_field().contains("left-over"));

    let user = ask("GET", "/", browser.cookie_field()).await;
    assert_eq!((user.status, user.body.as_str()), (200, "user 7"));
    user.assert_fields(&["private, no-cache"], &[]);

    let bye = ask("POST", "/sign-out", browser.cookie_field()).await;
    assert_eq!((bye.status, bye.body.as_str()), (200, "bye"));
    // The session cookie is removed last: some clients keep all but the last one.
    bye.assert_fields(&["private, no-store"], &[OURS[1], OURS[0]]);
    browser.receive(&bye.headers);
    assert_eq!(browser.cookie_field(), "theme=dark");
}
