//! One refresh for all requests that need it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use crate::provider::{Provider, RefreshError, Tokens};

/// The refreshes of the last minute, by the refresh token that each one spends.
///
/// A page asks for its parts in parallel, and all these requests bring the same tokens. Where a refresh token works
/// once, its second use looks like a theft and ends the whole sign-in. So one request refreshes, and the others wait
/// for its tokens. They are kept for a minute: a browser goes on sending its old cookies until a response has arrived.
///
/// This holds within one process. README.md says what several servers do.
#[derive(Default)]
pub(crate) struct Refreshes(Mutex<HashMap<String, Refresh>>);

struct Refresh {
    began: Instant,
    tokens: Arc<OnceCell<Tokens>>,
}

impl Refreshes {
    /// The tokens after these. After a failure the next request tries again.
    pub(crate) async fn refresh(&self, provider: &Arc<Provider>, spent: &Tokens) -> Result<Tokens, RefreshError> {
        let (cell, provider, spent) = (self.cell(&spent.refresh), Arc::clone(provider), spent.clone());
        // A task of its own: if the browser goes away, this request ends here, and the refresh must not. Its answer has
        // the only refresh token that still works.
        let refresh = tokio::spawn(async move { cell.get_or_try_init(|| provider.refresh(&spent)).await.cloned() });
        refresh.await.unwrap_or(Err(RefreshError::NoAnswer))
    }

    fn cell(&self, spent: &str) -> Arc<OnceCell<Tokens>> {
        let mut refreshes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refreshes.retain(|_, refresh| refresh.began.elapsed() < KEPT);
        let refresh = refreshes.entry(spent.to_owned()).or_insert_with(|| Refresh {
            began: Instant::now(),
            tokens: Arc::default(),
        });
        Arc::clone(&refresh.tokens)
    }
}

/// Longer than any request to the provider takes, and the response to the browser after it.
const KEPT: Duration = Duration::from_secs(60);
