//! The stacks of actix middlewares.

use std::rc::Rc;

use actix_cors::Cors;
use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, ETAG, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Compress, Next, from_fn};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, HttpRequest, HttpResponse, Responder, web};
use sealed_session::actix::SessionMiddleware;
use sealed_session::{Session, WriteError};

use super::stack::{Pages, tag};
use super::suite::Flaw::{CookieWith304, NotPrivate, NotRenewed, PageOfAnother, VaryHidden, WriteLostWith304};
use super::suite::{self, Answer, Ask, Flaw, Login, ORIGIN, PUBLIC, Page, sessions};

impl Responder for Page {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, PUBLIC))
            .insert_header(("x-of", self.of.clone()))
            .insert_header(("x-number", self.number.to_string()))
            .body(self.body())
    }
}

async fn greet(session: Session<Login>) -> Page {
    suite::greet(&session)
}

async fn asset() -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CACHE_CONTROL, PUBLIC))
        .body("a picture ".repeat(20))
}

async fn enter(mut session: Session<Login>, name: web::Path<String>) -> Result<Page, WriteError> {
    suite::enter(&mut session, &name)
}

async fn count(mut session: Session<Login>) -> Result<Page, WriteError> {
    suite::count(&mut session)
}

async fn leave(mut session: Session<Login>) -> Result<Page, WriteError> {
    session.end()?;
    Ok(suite::greet(&session))
}

/// The application inside these middlewares, the outermost first.
macro_rules! stack {
    ($sessions:ident;) => {
        App::new()
            .route("/greeting", web::get().to(greet))
            .route("/asset", web::get().to(asset))
            .route("/enter/{name}", web::post().to(enter))
            .route("/count", web::get().to(count))
            .route("/leave", web::post().to(leave))
    };
    ($sessions:ident; $first:tt $($inner:tt)*) => {
        stack!($sessions; $($inner)*).wrap(layer!($sessions; $first))
    };
}

macro_rules! layer {
    ($sessions:ident; "SessionMiddleware") => {
        SessionMiddleware::new($sessions.clone())
    };
    ($sessions:ident; "Cors") => {
        Cors::default().allowed_origin(ORIGIN).supports_credentials()
    };
    ($sessions:ident; "Compress") => {
        Compress::default()
    };
    ($sessions:ident; "ETag layer") => {
        from_fn(tagged)
    };
    ($sessions:ident; "response cache") => {{
        let pages = Pages::default();
        from_fn(move |request, next| cached(pages.clone(), request, next))
    }};
}

/// The flaws of the application inside these middlewares, the outermost first.
macro_rules! assert_flaws {
    ([$($name:tt),*], $expected:expr) => {{
        let (sessions, guest) = sessions();
        let service = Rc::new(init_service(stack!(sessions; $($name)*)).await);
        let app: suite::App = Box::new(move |ask| {
            let (service, request) = (Rc::clone(&service), request(ask).to_request());
            Box::pin(async move { answer(service.call(request).await) })
        });
        let expected: &[Flaw] = $expected;
        let found = suite::flaws(&app, &[$($name),*], &guest, String::new).await;
        assert_eq!(found, expected.iter().copied().collect(), "{:?}", [$($name),*]);
    }};
}

fn request(Ask { method, path, fields }: Ask) -> TestRequest {
    let method = Method::try_from(method).expect("a method");
    let request = TestRequest::with_uri(path).method(method);
    fields.into_iter().fold(request, TestRequest::append_header)
}

fn answer<B>(response: Result<ServiceResponse<B>, Error>) -> Answer {
    let response = response.expect("every error is a response here");
    Answer {
        status: response.status().as_u16(),
        lines: lines(response.headers()),
    }
}

fn lines(headers: &HeaderMap) -> Vec<(String, String)> {
    let lines = headers.iter();
    lines
        .map(|(name, value)| {
            let value = value.to_str().expect("all fields are visible ASCII");
            (name.to_string(), value.to_owned())
        })
        .collect()
}

async fn tagged<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    let known = field(request.headers(), "if-none-match");
    let (mut response, body) = whole(next.call(request).await?).await;
    if reads && response.status() == StatusCode::OK {
        let tag = tag(&body);
        response
            .headers_mut()
            .insert(ETAG, HeaderValue::from_str(&tag).expect("a number in quotes"));
        if known == tag {
            *response.response_mut().status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
    }
    Ok(response.map_body(|_, _| BoxBody::new(body)))
}

async fn cached<B: MessageBody + 'static>(
    pages: Pages<(Vec<(String, String)>, web::Bytes)>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if request.method() != Method::GET {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let (uri, asked) = (request.uri().to_string(), request.headers().clone());
    if let Some((lines, body)) = pages.find(&uri, |name| field(&asked, name)) {
        let mut response = HttpResponse::Ok();
        lines.into_iter().for_each(|line| {
            response.append_header(line);
        });
        return Ok(request.into_response(response.body(body)));
    }
    let (response, body) = whole(next.call(request).await?).await;
    let said = response.headers();
    if response.status() == StatusCode::OK {
        let page = (lines(said), body.clone());
        pages.keep(&uri, |name| field(&asked, name), |name| field(said, name), page);
    }
    Ok(response.map_body(|_, _| BoxBody::new(body)))
}

/// A response without its body, and the body.
async fn whole<B: MessageBody>(response: ServiceResponse<B>) -> (ServiceResponse<BoxBody>, web::Bytes) {
    let (request, response) = response.into_parts();
    let (response, body) = response.into_parts();
    let body = to_bytes(body).await.unwrap_or_default();
    (ServiceResponse::new(request, response.set_body(BoxBody::new(()))), body)
}

/// All lines of a field as one.
fn field(headers: &HeaderMap, name: &str) -> String {
    let lines = headers.get_all(name);
    let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    lines.join(", ")
}

#[tokio::test]
async fn the_stack_that_the_documentation_draws_loses_nothing_but_a_write_that_a_304_hides() {
    assert_flaws!(
        ["response cache", "SessionMiddleware", "Cors", "ETag layer", "Compress"],
        &[WriteLostWith304]
    );
}

#[tokio::test]
async fn each_middleware_alone_inside_and_outside() {
    assert_flaws!(["SessionMiddleware"], &[]);
    assert_flaws!(["SessionMiddleware", "Compress"], &[]);
    assert_flaws!(["Compress", "SessionMiddleware"], &[VaryHidden]);
    // It adds to the first line of `Vary` instead of writing one more.
    assert_flaws!(["SessionMiddleware", "Cors"], &[]);
    assert_flaws!(["Cors", "SessionMiddleware"], &[]);
    assert_flaws!(["SessionMiddleware", "ETag layer"], &[WriteLostWith304]);
    assert_flaws!(["ETag layer", "SessionMiddleware"], &[CookieWith304]);
    assert_flaws!(
        ["SessionMiddleware", "response cache"],
        &[VaryHidden, NotPrivate, PageOfAnother, NotRenewed]
    );
    assert_flaws!(["response cache", "SessionMiddleware"], &[]);
}
