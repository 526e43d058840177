//! Types that a server keeps and gives to its threads are `Send` and `Sync`, and errors pass through the `?` of any
//! `main`. The listing of the public API leaves auto traits out, so these tests hold them.

use std::error::Error;

use sealed_session::edge::{Checked, Checker};
use sealed_session::events::Observer;
use sealed_session::headers::Patch;
use sealed_session::keys::{KeyError, KeyId, KeyReloader, KeySource, RingFile, SecretText};
use sealed_session::revocation::{RevocationFile, RevocationFileError, RevocationList, Revocations, RevocationsError};
use sealed_session::sealer::{OpenError, OpenedValue, SealError, SealOptions, ValueId};
use sealed_session::{
    Builder, ConfigError, Event, Key, KeyRing, Lifetime, Opened, Reason, RequestFields, Sealer, Session, SessionId,
    SessionState, Sessions, Updated, WriteError,
};

/// Any session data: a session is shared whatever it holds.
type Data = Vec<String>;

fn is_shared<T: Send + Sync>() {}

fn is_sent<T: Send>() {}

fn is_an_error<E: Error + Send + Sync + 'static>() {}

#[test]
fn types_that_a_server_keeps_are_shared_by_its_threads() {
    is_shared::<Sessions<Data>>();
    is_shared::<Session<Data>>();
    is_shared::<Builder<Data>>();
    is_shared::<Opened<'_, Data>>();
    is_shared::<(KeyRing, Key, KeyId, SecretText, RingFile)>();
    is_shared::<(Revocations, RevocationFile, Box<dyn RevocationList>)>();
    is_shared::<(Sealer, SealOptions<'_>, OpenedValue, ValueId)>();
    is_shared::<(Checker, Checked)>();
    is_shared::<(Event, Box<dyn Observer>)>();
    is_shared::<(RequestFields, Patch)>();
    is_shared::<(Lifetime, Reason, SessionId, SessionState, Updated<()>)>();
}

/// Only one thread at a time looks at a source.
#[test]
fn a_source_and_its_reloader_are_sent_to_another_thread() {
    is_sent::<Box<dyn KeySource>>();
    is_sent::<KeyReloader<Data>>();
}

#[test]
fn errors_go_through_any_main() {
    is_an_error::<ConfigError>();
    is_an_error::<WriteError>();
    is_an_error::<SealError>();
    is_an_error::<OpenError>();
    is_an_error::<KeyError>();
    is_an_error::<RevocationsError>();
    is_an_error::<RevocationFileError>();
}

#[cfg(feature = "device")]
#[test]
fn device_binding_is_shared_too() {
    use sealed_session::device::{Answer, DeviceBinding, DeviceState};

    is_shared::<(DeviceBinding, DeviceState, Answer)>();
}

#[cfg(all(feature = "device", feature = "axum"))]
#[test]
fn its_endpoints_and_its_guard_are_shared_too() {
    is_shared::<sealed_session::DeviceEndpoints<Data>>();
    is_shared::<sealed_session::RequireDevice<Data>>();
}

#[cfg(feature = "tower")]
#[test]
fn a_layer_is_shared_too() {
    use sealed_session::tower::{ResponseFuture, SessionService};
    use sealed_session::{LayerError, SessionLayer};

    is_shared::<SessionLayer<Data>>();
    is_shared::<SessionService<(), Data>>();
    is_shared::<ResponseFuture<(), Data>>();
    is_an_error::<LayerError>();
}

#[cfg(feature = "axum")]
#[test]
fn what_a_guard_gives_is_shared_too() {
    is_shared::<sealed_session::RequireSession<Data>>();
}
