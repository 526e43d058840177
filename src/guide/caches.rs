//! Caches and CDNs: what the crate says to them, and where the layer belongs.
//!
//! | the handler | the response gets |
//! |---|---|
//! | never looked at the session | nothing; no cryptography was done |
//! | only peeked | nothing: never show data of [`peek`](crate::Session::peek) in a response, or a cache gives it to others |
//! | read it | `Vary: Cookie`; and `private` if a session cookie had come |
//! | wrote it, so that the response carries a session cookie | `Vary: Cookie`; `private, no-store` |
//!
//! So pages that do not read the session stay cacheable, and a cache that obeys HTTP gives no visitor the page of another.
//! Fields that would overrule this for one cache (`X-Accel-Expires`, `Surrogate-Control`, `Edge-Control` and all that end in
//! `-Cache-Control`) are removed where it says `private`, unless they forbid storing themselves. [SPEC.md][spec] has every
//! case, and [lab/caches][caches] tries nginx, Varnish, Apache httpd, HAProxy and Squid.
//!
//! # The order of layers
//!
//! The first one is the outermost: in axum the one that is added last, in a `ServiceBuilder` the first.
//!
//! ```text
#![doc = include_str!("../adapters/tower/order.txt")]
//! ```
//!
//! [`SessionLayer`](crate::SessionLayer) says what goes wrong in another order.
//!
//! # What to know
//!
//! - **A cache that is told to ignore `Cache-Control`** cannot be stopped by a header field. Sign in by POST, so that even
//!   such a cache stores no sign-in.
//! - **Many CDNs ignore `Vary: Cookie`**, and obey `private`. For pages that are the same for all guests, cache only
//!   answers to requests without the session cookie: its name is [`Sessions::cookie_name`](crate::Sessions::cookie_name).
//! - **Stock nginx passes 4 KiB of header block**: some 2,700 bytes of session data, less with `proxy_cache`. The largest
//!   session in one cookie needs `proxy_buffer_size 8k`, [in several][large] more. See
//!   [`troubleshooting`](super::troubleshooting#431-400-or-502).
//! - **Back after a sign-out**: browsers keep whole pages. Send pages that must not be seen afterwards with
//!   `Cache-Control: no-store`, which the crate keeps.
//! - **At an edge**, [js/][js] tells live sessions from others, reads and writes them, with nothing but WebCrypto.
//!   [`Sessions::edge_keys`](crate::Sessions::edge_keys) exports keys that can tell, and read nothing;
//!   [`edge::Checker`](crate::edge::Checker) uses them in Rust.
//!
//! [spec]: https://github.com/sealed-session/sealed-session/blob/main/SPEC.md#what-happens-to-a-response
//! [caches]: https://github.com/sealed-session/sealed-session/blob/main/lab/caches/README.md
//! [large]: https://github.com/sealed-session/sealed-session/blob/main/docs/large-sessions.md
//! [js]: https://github.com/sealed-session/sealed-session/blob/main/js/README.md
