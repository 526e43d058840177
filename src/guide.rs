//! The guide: each page answers one question, with code that compiles. The pages on guests, sign-in, "remember me",
//! sign-outs and messages are one program in [examples/shop.rs][shop].
//!
//! [shop]: https://github.com/sealed-session/sealed-session/blob/main/examples/shop.rs
//!
//! | to begin | |
//! |---|---|
//! | [`first_session`] | the type, the layer, the calls, the cookies |
//! | [`guests`] | a cart before the sign-in |
//! | [`sign_in`] | guards, roles, and back to the page that the visitor wanted |
//! | [`remember_me`] | timeouts, and sessions that outlive the browser |
//! | [`sign_out`] | here, everywhere, for everybody |
//! | [`flash`] | messages that are shown once |
//! | [`csrf`] | forged requests: why `Sec-Fetch-Site` and not a token |
//! | [`testing`] | visitors in your tests, and a clock that moves |
//!
//! | further | |
//! |---|---|
//! | [`openid_connect`] | sign-in at a provider |
//! | [`device_binding`] | stolen cookies die within minutes |
//! | [`caches`] | what caches are told, and the order of layers |
//! | [`keys`] | where secrets are, and how they rotate |
//! | [`several_servers`] | one ring, and a list of sign-outs |
//! | [`migrating`] | from another session library |
//! | [`troubleshooting`] | no cookie, no session, 431, 502 |
//! | [`glossary`] | ten words |

pub mod caches;
pub mod csrf;
pub mod device_binding;
pub mod first_session;
pub mod flash;
pub mod glossary;
pub mod guests;
pub mod keys;
pub mod migrating;
pub mod openid_connect;
pub mod remember_me;
pub mod several_servers;
pub mod sign_in;
pub mod sign_out;
pub mod testing;
pub mod troubleshooting;
