//! Troubleshooting: a visitor has no session, or gets an error.
//!
//! First look at the log. With an [`observer`](crate::Builder::observer), such as
//! [`TracingObserver`](crate::events::TracingObserver), each cookie that does not open is an event with its
//! [`Reason`](crate::Reason); debug level shows all of them. `sealed-session inspect` says the same of [a cookie that you
//! copy][inspect] from the browser (it is the visitor's session: delete the copy). If there is no such event, no cookie
//! came, or no handler looked at the session: look at the response that should have set it in the browser's developer
//! tools.
//!
//! # The cookie is not kept on localhost
//!
//! The cookies are `Secure`. Chromium, Firefox and curl keep them on `http://localhost` all the same. Safari does not, and
//! no browser does on another host, such as `http://192.168.1.7` or `http://shop.test`: use https, or, for development
//! only:
//!
//! ```
//! use sealed_session::{ConfigError, KeyRing, Sessions};
//!
//! fn sessions(keys: KeyRing) -> Result<Sessions<u64>, ConfigError> {
//!     let builder = Sessions::builder(keys).audience("shop");
//!     let builder = match cfg!(debug_assertions) {
//!         true => builder.insecure_development_cookie("shop-dev"), // no `Secure`: never deploy a debug build
//!         false => builder,
//!     };
//!     builder.build()
//! }
//! # assert!(sessions(KeyRing::new(sealed_session::Key::generate()?)).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `localhost` and `127.0.0.1` are two hosts: sign in on the one that you then visit. Two applications on `localhost` share
//! its cookies, whatever their ports: give each its own [`cookie_name`](crate::Builder::cookie_name) and `audience`.
//!
//! # The cookie is not kept with https
//!
//! - **A script's `fetch` to another origin** keeps and sends cookies only with `credentials: "include"`, and needs
//!   `Access-Control-Allow-Credentials` in the response.
//! - **The handler failed.** With a 5xx a write is not sent; the event is `WriteDiscarded`. If the layer is inside
//!   `TimeoutLayer` or `CatchPanicLayer`, [their order](super::caches#the-order-of-layers) is wrong.
//! - **A proxy removes or renames it**: `proxy_hide_header Set-Cookie`, `proxy_cookie_path`, or a CDN that strips
//!   cookies from cached paths. Compare the response of the application with the one that the browser got.
//! - **The event is `FinishIgnored` or `WriteTooLate`**: the application used the session after the response had gone.
//!
//! # Behind a proxy
//!
//! The crate does not look at the scheme or the host, so an application on plain http behind a proxy that speaks https
//! needs nothing. The proxy must pass `Cookie` and every line of `Set-Cookie`, and the address must be the application's:
//! below a path of the proxy, set [`cookie_path`](crate::Builder::cookie_path), which needs another `cookie_name` without
//! `__Host-`.
//!
//! # In an iframe of another site
//!
//! Browsers send no `Lax` cookie there. It takes [`same_site(SameSite::None)`](crate::Builder::same_site) and
//! [`partitioned(true)`](crate::Builder::partitioned), and then the check on the page [`csrf`](super::csrf) is all
//! that protects you from forged requests. Say in `Content-Security-Policy: frame-ancestors` which sites may show you in a
//! frame. Browsers that block the cookies of other sites and know no `Partitioned` keep
//! none: open the sign-in in a window of its own.
//!
//! # Signed in, and signed out again at once
//!
//! - **The sign-in answers by a cross-site POST**, as a provider with `form_post` does:
//!   [`openid_connect`](super::openid_connect).
//! - **Two servers with two rings**, `unknown key` in the log: each has made its own key file. See
//!   [`several_servers`](super::several_servers).
//! - **Another application on the same host uses the name**: `unknown key`, `malformed`, or with the same ring `not ours`
//!   in the log.
//! - **Idle**: the second cookie, `…-seen`, was lost on the way. A proxy that lets one name pass must let both.
//! - **The clock of a server is wrong**: `started in future`, `expires too far`.
//!
//! # Everybody is signed out after a deploy
//!
//! | reason in the log | cause |
//! |---|---|
//! | unknown key | the ring is new: a key file that was in the container, or a key that was removed too early. Put the old ring back |
//! | not ours | `audience` has changed, or what `bind_with` returns |
//! | idle, too old | a timeout is shorter than before, or the idle timeout is new |
//! | payload | the type has changed: give new fields `#[serde(default)]` |
//! | refused | `refuse_if` refuses before its records are loaded: a check with `!=`, or one that refuses unknown users |
//! | revoked | somebody has raised the cut-off: `CutOffRaised` says to when |
//! | none | no cookies come: `cookie_name`, `cookie_domain`, `cookie_path` or the host name has changed |
//!
//! # A 500: "the session could not be kept"
//!
//! A write returned a [`WriteError`](crate::WriteError), and `?` made a 500 of it. Print the error: it says what to change.
//! The usual ones: `remember(true)` without [`remembered`](crate::Builder::remembered) on the builder, and data that are
//! too large.
//!
//! # A 500: "no session layer"
//!
//! The layer is missing, or is for another type than the handler's `Session<T>`, or the route was added after `.layer`,
//! which in axum leaves it outside.
//!
//! # 431, 400 or 502
//!
//! The header fields are too large for something in between.
//!
//! - **502 at the sign-in**: nginx reads the response's header block into one page of 4 KiB. `proxy_buffer_size 8k;`, or
//!   more with several cookies.
//! - **431 or 400 from then on**: the request's cookies are too large. The visitor gets it for every page until the cookies
//!   are gone. Other cookies of the host count too.
//!
//! [docs/large-sessions.md][large] has what each proxy and server passes, the lines that raise it, and how to free the
//! visitors. [`WriteError::TooLarge`](crate::WriteError::TooLarge) says how large your data are;
//! [`Event::LargeHeaderBlock`](crate::Event::LargeHeaderBlock) warns before nginx does.
//!
//! [inspect]: https://github.com/sealed-session/sealed-session/blob/main/docs/operating.md#one-visitors-trouble
//! [large]: https://github.com/sealed-session/sealed-session/blob/main/docs/large-sessions.md
