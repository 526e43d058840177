//! Makes the session of tower-sessions that came with a request ours.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use sealed_session::Session;
use sealed_session::adopt::Adopted;
use tower_sessions::Session as OldSession;

use super::Failed;
use crate::Login;

pub async fn adopt(old: OldSession, session: Session<Login>, request: Request, next: Next) -> Result<Response, Failed> {
    // Without an old cookie nothing is looked up. Next to a session of ours, the old one ends with it.
    if !session.old_cookies().is_empty()
        && let Some(login) = old.get("login").await?
        && let Some(id) = old.id()
    {
        session.adopt([Adopted::new(id.to_string(), login)]);
    }
    Ok(next.run(request).await)
}
