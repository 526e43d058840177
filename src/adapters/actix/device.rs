//! Device binding in actix: its endpoints, its guard, and its answers as responses.

use std::future::{Ready, ready};

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, ResponseError, Scope, web};

use crate::adapters::guard::{RequireDevice, RequireSession};
use crate::device::Answer;
use crate::{RequestFields, SessionData, Sessions};

impl<T: SessionData> FromRequest for RequireDevice<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let session = RequireSession::from_request(request, payload).into_inner();
        ready(session.and_then(|session| Self::new(session).map_err(Error::from)))
    }
}

impl ResponseError for Answer {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).expect("the statuses of answers are known to HTTP")
    }

    /// The answer itself.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        self.headers().for_each(|header| _ = response.append_header(header));
        response.body(self.body().to_owned())
    }
}

/// The two endpoints of device binding, for `App::service` (features `actix` and `device`).
///
/// Nothing may answer in their place: no rate limit, redirect, sign-in or CSRF check around them.
///
/// ```
/// use actix_web::{App, test};
/// use sealed_session::actix::{SessionMiddleware, device_endpoints};
/// use sealed_session::device::DeviceBinding;
/// use sealed_session::{Key, KeyRing, Sessions};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Login { user: u64 }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # actix_web::rt::System::new().block_on(async {
/// # let ring = KeyRing::new(Key::generate()?);
/// let sessions = Sessions::<Login>::builder(ring).device_binding(DeviceBinding::at("/device")).build()?;
/// let app = App::new().service(device_endpoints(&sessions)).wrap(SessionMiddleware::new(sessions));
/// # let app = test::init_service(app).await;
/// # for (path, status) in [("/device/register", 400), ("/device/refresh", 401)] {
/// #     let request = test::TestRequest::post().uri(path).to_request();
/// #     assert_eq!(test::call_service(&app, request).await.status(), status);
/// # }
/// # Ok(())
/// # })
/// # }
/// ```
#[must_use]
pub fn device_endpoints<T: SessionData>(sessions: &Sessions<T>) -> Scope {
    let [register, refresh] = [false, true].map(|is_refresh| {
        let sessions = sessions.clone();
        web::post().to(move |request: HttpRequest| {
            let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
            let (fields, proof) = (RequestFields::from(request.headers()), text("secure-session-response"));
            let answer = match is_refresh {
                false => sessions.register_device(&fields, proof),
                true => sessions.refresh_device(&fields, text("sec-secure-session-id"), proof),
            };
            ready(answer.error_response())
        })
    });
    let path = sessions.device_path().unwrap_or_default();
    web::scope(path).route("/register", register).route("/refresh", refresh)
}
