//! Device binding in actix: its endpoints, its guard, and its answers as responses.

use std::future::{Ready, ready};

use actix_web::body::BoxBody;
use actix_web::dev::{HttpServiceFactory, Payload};
use actix_web::http::StatusCode;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, Responder, ResponseError, web};

use super::Slot;
use crate::adapters::guard::{RequireDevice, RequireSession};
use crate::adapters::layers::endpoint_answer;
use crate::device::Answer;
use crate::headers::ResponseHeaders;
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
        let mut response = HttpResponse::with_body(self.status_code(), BoxBody::new(self.body().to_owned()));
        for (name, value) in self.headers() {
            let is_sensitive = name == "Set-Cookie";
            response.headers_mut().append_line(name, value.to_owned(), is_sensitive);
        }
        response
    }
}

/// For applications that answer at the endpoints themselves.
impl Responder for Answer {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse<BoxBody> {
        self.error_response()
    }
}

/// The two endpoints of device binding, for `App::service` (features `actix` and `device`), at the path that
/// [`DeviceBinding::at`](crate::device::DeviceBinding::at) got: not for a scope that has a path itself. Without device
/// binding there are none.
///
/// Nothing may answer in their place: no rate limit, redirect, sign-in or CSRF token around them. If the middleware has a
/// `bind_with`, they have to be inside it.
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
pub fn device_endpoints<T: SessionData>(sessions: &Sessions<T>) -> impl HttpServiceFactory + use<T> {
    let paths = ["register", "refresh"].map(|endpoint| Some(format!("{}/{endpoint}", sessions.device_path()?)));
    let endpoints = paths.into_iter().flatten().map(|path| {
        let sessions = sessions.clone();
        let is_refresh = path.ends_with("/refresh");
        let answer = move |request: HttpRequest| {
            let (headers, extensions) = (request.headers(), request.extensions());
            let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
            let fields = || RequestFields::from(headers);
            let answer = endpoint_answer(&sessions, is_refresh, extensions.get::<Slot<T>>(), fields, text);
            ready(answer)
        };
        web::resource(path).route(web::post().to(answer))
    });
    endpoints.collect::<Vec<_>>()
}
