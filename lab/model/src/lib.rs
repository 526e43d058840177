//! A model of key rotation: a few servers, a visitor, an operator. Every answer in it comes from the crate's own
//! `Sessions`, `KeyRing` and `replace_keys`; the model only chooses the actions.
//!
//! - [`explore`] tries every order of deploys, visits and time of one [`rotation`] by a [`procedure`].
//! - [`command`] is the rule of the command `sealed-session`, which two of the procedures follow.
//! - [`year`] runs twelve rotations and many sessions along one [`schedule`].
//! - [`day`] is a day of traffic at servers that keep opened sessions.

pub mod command;
pub mod day;
pub mod explore;
pub mod fleet;
pub mod habits;
pub mod keys;
pub mod procedure;
pub mod random;
pub mod rotation;
pub mod schedule;
pub mod server;
pub mod trace;
pub mod year;
