//! Ten words, each with one meaning here.
//!
//! | word | means |
//! |---|---|
//! | *token* | the text in the session cookie: a short head that anybody can read (key id, expiry, session id), and the sealed data |
//! | *seal*, *open* | encrypt and authenticate; check and decrypt. What was changed, or made for another place, does not open |
//! | *ring* | all secrets of an application. One seals, and all open |
//! | *audience* | the name of your application, mixed into its keys: another one with the same ring opens none of its sessions |
//! | *activity cookie* | the second cookie, which notes when the visitor was last here |
//! | *guest* | a visitor who is not signed in; may have a session all the same |
//! | *revoke* | end a session wherever copies of it are, by putting its id on the *revocation list* |
//! | *cut-off* | a time: every session that started before it has ended |
//! | *bound* | of a session: the visitor's device has proven a key, and must go on proving it |
//! | *adopt* | make a session of another library's cookie |
