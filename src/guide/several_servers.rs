//! Several servers: one ring, and a list of sign-outs that they share.
//!
//! Any server opens what another one has sealed, so there is no sticky routing and no session store. They need in common:
//!
//! 1. **The same ring.** [`KeyRing::from_env`](crate::KeyRing::from_env) or [`KeyRing::from_file`](crate::KeyRing::from_file);
//!    not `from_file_or_new`, with which each server would make its own.
//! 2. **The same `audience` and cookie name**, and timeouts of the same length.
//! 3. **Clocks within 5 minutes** of each other.
//! 4. **A list of sign-outs**, if a copy of a cookie must be dead on all of them:
//!    [which one](super::sign_out#who-knows-of-a-sign-out).
//!
//! ```
//! use std::error::Error;
//! use std::path::Path;
//! use std::time::Duration;
//!
//! use sealed_session::keys::{KeySource, ReloadGuard, RingFile};
//! use sealed_session::revocation::{RevocationFile, Revocations};
//! use sealed_session::Sessions;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Login {
//!     user: u64,
//! }
//!
//! /// Two processes on one host, with one ring file and one directory for their sign-outs.
//! fn start(ring: &Path, sign_outs: &Path) -> Result<(Sessions<Login>, RevocationFile, ReloadGuard), Box<dyn Error>> {
//!     let list = RevocationFile::in_directory(sign_outs, Revocations::new())?;
//!     let file = RingFile::new(ring);
//!     let sessions = Sessions::builder(file.load()?).audience("shop").revocation_list(list.clone()).build()?;
//!     let following = sessions.reload_from(file).every(Duration::from_secs(10))?; // dropped, it stops: keep it
//!     Ok((sessions, list, following))
//! }
//! # let folder = std::env::temp_dir().join(format!("sealed-session-guide-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let ring = folder.join("ring.txt");
//! # drop(sealed_session::KeyRing::from_file_or_new(&ring)?);
//! # let (one, two) = (start(&ring, &folder.join("list"))?, start(&ring, &folder.join("list"))?);
//! # let cookie = one.0.cookie_for(Login { user: 7 })?;
//! # assert!(two.0.load(sealed_session::RequestFields::from_cookies([cookie])).get().is_some());
//! # drop((one, two));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn Error>>(())
//! ```
//!
//! On several hosts, [`sealed-session-redis`][redis] takes the place of `RevocationFile`; [examples/fleet][fleet] is fifty
//! lines. [operating.md][operating] is the operator's page: events to watch, alerts, emergencies.
//!
//! **A deploy that changes your type** runs old and new servers side by side. A new field needs `#[serde(default)]`; the
//! old version ignores it, and drops it when it writes, so its default must give no rights. Rename in two deploys. A payload that does not fit is no session:
//! the visitor signs in again.
//!
//! [redis]: https://github.com/sealed-session/sealed-session/blob/main/redis/README.md
//! [fleet]: https://github.com/sealed-session/sealed-session/blob/main/examples/fleet/README.md
//! [operating]: https://github.com/sealed-session/sealed-session/blob/main/docs/operating.md
