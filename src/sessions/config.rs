//! The options that sessions keep, and their defaults.

use std::borrow::Cow;
use std::sync::Arc;

use crate::headers::RequestFields;
use crate::headers::cookie::{self, Attributes};
use crate::session::Opened;
use crate::session::lifetime::Lifetimes;
use crate::sessions::adopt::{Adoption, ReadOld};
#[cfg(feature = "device")]
use crate::sessions::device_binding::Device;
use crate::token::chunks;

/// `lp` of the format holds 255 bytes.
pub(super) const LONGEST_NAME: usize = 255;

pub(crate) type TouchIf = Box<dyn Fn(&RequestFields) -> bool + Send + Sync>;
pub(crate) type RefuseIf<T> = Box<dyn Fn(&Opened<'_, T>) -> bool + Send + Sync>;
pub(crate) type SignedInIf<T> = Box<dyn Fn(&T) -> bool + Send + Sync>;
pub(crate) type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// The checks of the application on its data.
pub(crate) struct Checks<T> {
    pub(crate) refuse_if: Option<RefuseIf<T>>,
    pub(crate) signed_in_if: Option<SignedInIf<T>>,
    pub(crate) read_old: Option<ReadOld<T>>,
}

impl<T> Default for Checks<T> {
    fn default() -> Self {
        Self {
            refuse_if: None,
            signed_in_if: None,
            read_old: None,
        }
    }
}

/// The options that sessions keep. [`Builder::build`](crate::Builder::build) checks them, and sets `lifetimes` and the
/// other names.
pub(crate) struct Config {
    pub(crate) name: Arc<str>,
    pub(crate) activity_name: Arc<str>,
    pub(crate) attributes: Attributes,
    pub(crate) audience: String,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) pad_to: usize,
    /// The most cookies of one session that is written.
    pub(crate) chunks: u8,
    /// The names of the others, from `.2` on.
    pub(crate) chunk_names: [Box<str>; chunks::MOST as usize - 1],
    pub(crate) largest_cookies: usize,
    pub(crate) vary_field: Cow<'static, str>,
    pub(crate) write_on_server_error: bool,
    pub(crate) clear_site_data: bool,
    pub(crate) revoke_on_end: bool,
    pub(crate) touch_if: Option<TouchIf>,
    pub(crate) opened_cache: usize,
    pub(crate) adoption: Option<Adoption>,
    #[cfg(feature = "device")]
    pub(crate) device: Option<Device>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "__Host-id".into(),
            activity_name: "".into(),
            attributes: Attributes::default(),
            audience: String::new(),
            lifetimes: Lifetimes::default(),
            pad_to: 1,
            chunks: 1,
            chunk_names: Default::default(),
            largest_cookies: 7500,
            vary_field: "Cookie".into(),
            write_on_server_error: false,
            clear_site_data: false,
            revoke_on_end: true,
            touch_if: None,
            opened_cache: 2 * 1024 * 1024,
            adoption: None,
            #[cfg(feature = "device")]
            device: None,
        }
    }
}

impl Config {
    /// Whether there can be an activity cookie: without an idle timeout its name may be too long.
    pub(crate) fn has_activity(&self) -> bool {
        self.activity_name.len() <= LONGEST_NAME
    }

    /// Whether sessions may be bound to devices.
    pub(crate) fn has_device_binding(&self) -> bool {
        #[cfg(feature = "device")]
        return self.device.is_some();
        #[cfg(not(feature = "device"))]
        false
    }

    /// Whether bound sessions without a proof are sessions.
    pub(crate) fn introduces_device_binding(&self) -> bool {
        #[cfg(feature = "device")]
        return self.device.as_ref().is_some_and(|device| device.introduce);
        #[cfg(not(feature = "device"))]
        false
    }

    /// Longest value of the session cookie in characters: browsers drop more than 4096 for name and value.
    pub(crate) fn longest_value(&self) -> usize {
        cookie::LARGEST.saturating_sub(self.name.len())
    }
}
