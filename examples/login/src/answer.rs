//! What a page says after a form was sent: a word in the address, of this closed set, and never text.
//!
//! It is in the address because a guest would need a session for it otherwise. Anybody can write such an address, so a
//! page says nothing that the cookies of the request contradict.

use axum::http::Uri;
use axum::response::Redirect;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    BasketKept,
    BasketChanged,
    Ordered,
    SignedOut,
    SignedOutEverywhere,
    Restored,
    Rotated,
    EverybodySignedOut,
}

impl Done {
    const ALL: [Self; 8] = [
        Self::BasketKept,
        Self::BasketChanged,
        Self::Ordered,
        Self::SignedOut,
        Self::SignedOutEverywhere,
        Self::Restored,
        Self::Rotated,
        Self::EverybodySignedOut,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::BasketKept => "basket-kept",
            Self::BasketChanged => "basket-changed",
            Self::Ordered => "ordered",
            Self::SignedOut => "signed-out",
            Self::SignedOutEverywhere => "signed-out-everywhere",
            Self::Restored => "restored",
            Self::Rotated => "rotated",
            Self::EverybodySignedOut => "everybody-signed-out",
        }
    }

    /// Reads the address of a page.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        let word = uri.query()?.strip_prefix("done=")?;
        Self::ALL.into_iter().find(|done| done.word() == word)
    }

    /// Leads to a page, and there to the answer, which is where the browser scrolls and where a screen reader begins.
    pub(crate) fn on(self, page: &'static str) -> Redirect {
        Redirect::to(&format!("{page}?done={}#answer", self.word()))
    }
}
