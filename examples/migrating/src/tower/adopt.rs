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
    // Without an old cookie, or with one of ours, nothing is looked up.
    if !session.old_cookies().is_empty()
        && let Some(login) = old.get("login").await?
        && let Some(id) = old.id()
    {
        session.adopt(Adopted::new(id.to_string(), login));
    }
    Ok(next.run(request).await)
}
