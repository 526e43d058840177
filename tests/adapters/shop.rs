//! A shop whose guests have a cart, and a guard of its own in each framework.

use sealed_session::RequireSession;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shop {
    pub(crate) user: Option<u64>,
    pub(crate) is_admin: bool,
    pub(crate) cart: Vec<String>,
}

/// Lets administrators pass.
pub(crate) struct RequireAdmin(pub(crate) RequireSession<Shop>);

const REFUSED: &str = "for administrators only";

#[cfg(feature = "axum")]
mod for_axum {
    use axum::extract::FromRequestParts;
    use axum::http::StatusCode;
    use axum::http::request::Parts;
    use axum::response::{IntoResponse, Response};

    use super::*;

    impl<S: Send + Sync> FromRequestParts<S> for RequireAdmin {
        type Rejection = Response;

        async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
            let session = RequireSession::<Shop>::from_request_parts(parts, state).await?;
            if session.data().is_admin {
                Ok(Self(session))
            } else {
                Err((StatusCode::FORBIDDEN, REFUSED).into_response())
            }
        }
    }
}

#[cfg(feature = "actix")]
mod for_actix {
    use std::future::{Ready, ready};

    use actix_web::dev::Payload;
    use actix_web::error::ErrorForbidden;
    use actix_web::{Error, FromRequest, HttpRequest};

    use super::*;

    impl FromRequest for RequireAdmin {
        type Error = Error;
        type Future = Ready<Result<Self, Error>>;

        fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
            let session = RequireSession::<Shop>::extract(request).into_inner();
            ready(session.and_then(|session| {
                if session.data().is_admin {
                    Ok(Self(session))
                } else {
                    Err(ErrorForbidden(REFUSED))
                }
            }))
        }
    }
}
