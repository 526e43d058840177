//! Makes the session of actix-session that came with a request ours.

use actix_session::SessionExt;
use actix_web::Result;
use actix_web::body::MessageBody;
use actix_web::cookie::Key;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;
use sealed_session::Session;
use sealed_session::adopt::{Adopted, JarReader};

use crate::Login;

/// Opens the old cookie, which holds the session's key in the store.
pub struct OldKey(JarReader);

impl OldKey {
    pub fn of(key: &Key) -> Data<Self> {
        Data::new(Self(
            JarReader::private("id", key.master()).expect("a `Key` has 64 bytes"),
        ))
    }
}

pub async fn adopt(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>> {
    let session = request.extract::<Session<Login>>().await?;
    let old_key = request.extract::<Data<OldKey>>().await?;
    // Of several old cookies, actix-session takes the first.
    if let Some(value) = session.old_cookies().first()
        && let Some(key) = old_key.0.open(value)
        && let Some(login) = request.get_session().get("login")?
    {
        session.adopt([Adopted::new(key, login)]);
    }
    next.call(request).await
}
