//! Makes the session of actix-session that came with a request ours.

use actix_session::Session as OldSession;
use actix_web::Result;
use actix_web::body::MessageBody;
use actix_web::cookie::{CookieJar, Key};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;
use sealed_session::Session;
use sealed_session::adopt::Adopted;

use crate::Login;

pub async fn adopt(
    old: OldSession,
    session: Session<Login>,
    old_key: Data<Key>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>> {
    // Not from `old_cookies`: the data are those of the cookie that actix-session finds, and so must the id be.
    if !session.old_cookies().is_empty()
        && let Some(cookie) = request.cookie("id")
        && let Some(opened) = CookieJar::new().private(&old_key).decrypt(cookie)
        && let Some(login) = old.get("login")?
    {
        session.adopt([Adopted::new(opened.value(), login)]);
    }
    next.call(request).await
}
