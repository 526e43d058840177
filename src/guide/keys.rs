//! Keys, and how they rotate without signing anybody out.
//!
//! # Where the keys are
//!
//! A *ring* is a text with one secret in each line, or separated by `;`:
//!
//! ```text
//! seal sealed1_9e4859a4_…                             # seals, until another one takes over
//! seal sealed1_56f76705_… from=2026-12-01T00:00:00Z   # opens now, seals from that time
//! open sealed1_b303b300_…                             # only opens
//! ```
//!
//! | | for |
//! |---|---|
//! | [`KeyRing::from_file_or_new`](crate::KeyRing::from_file_or_new) | one machine: makes the file at the first start. Keep it, and out of version control and images |
//! | [`KeyRing::from_env`](crate::KeyRing::from_env) | several servers: the same ring in an environment variable. Other processes of the same user may see it: prefer a file |
//! | [`KeyRing::from_file`](crate::KeyRing::from_file) | several servers: the same ring in a file, as Kubernetes and systemd mount secrets |
//!
//! `cargo install sealed-session-cli` brings the command [`sealed-session`][cli], which makes rings and edits them:
//! `sealed-session ring new ring.txt`. Whoever has a secret can make sessions: keep it as you keep a database password.
//!
//! # Rotate
//!
//! Every cookie names its key, so keys are never tried one by one, however many there are. A secret is replaced in four
//! steps, on as many servers as there are, in any order within a step:
//!
//! 1. Add the new secret as `open` and deploy to every server.
//! 2. Swap the roles: the new one `seal`, the old one `open`. Deploy.
//! 3. Wait until the last token under the old secret has expired: the longest absolute timeout under this ring, remembered
//!    sessions and the values of a `Sealer` included, plus 5 minutes for the clocks of servers. Count from the end of step
//!    2, or from the `from` time of the new secret if that is later. The command [`sealed-session`][cli] counts from when
//!    you edited the ring, and so waits longer.
//! 4. Remove the old secret, and the `from` of the one that stays. Deploy.
//!
//! No visitor is signed out. In code, as a test would try it:
//!
//! ```
//! use sealed_session::{Key, KeyRing, RequestFields, Sessions};
//!
//! let (old, new) = (Key::generate()?.write_with_secret(), Key::generate()?.write_with_secret());
//! let (old, new) = (old.expose(), new.expose());
//! let ring = |text: String| KeyRing::parse(&text);
//!
//! let sessions = Sessions::<u64>::builder(ring(format!("seal {old}"))?).build()?;
//! let cookie = sessions.cookie_for(7)?;
//! let is_signed_in = || sessions.load(RequestFields::from_cookies([cookie.clone()])).get().is_some();
//!
//! sessions.replace_keys(ring(format!("seal {old}; open {new}"))?); // step 1
//! sessions.replace_keys(ring(format!("seal {new}; open {old}"))?); // step 2
//! assert!(is_signed_in());
//!
//! sessions.replace_keys(ring(format!("seal {new}"))?); // step 4, without the wait of step 3
//! assert!(!is_signed_in());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Sessions::reload_from`](crate::Sessions::reload_from) follows a ring file, so a deploy needs no restart. A
//! [`Sealer`](crate::Sealer) keeps its own ring: give it to [`KeyReloader::with_sealer`](crate::keys::KeyReloader::with_sealer).
//! [operating.md][operating] has the commands, the rotation in one deploy, what to do when a secret was stolen, and
//! backups. `sealed-session rehearse` tries real cookies on the old ring and the new one before you deploy.
//!
//! [cli]: https://github.com/sealed-session/sealed-session/blob/main/cli/README.md
//! [operating]: https://github.com/sealed-session/sealed-session/blob/main/docs/operating.md
