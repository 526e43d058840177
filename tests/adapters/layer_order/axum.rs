//! The stacks of tower layers.

use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::Request;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use sealed_session::{Session, SessionLayer, WriteError};
use tower::ServiceExt;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use super::stack::{documented, stack};
use super::suite::Flaw::{
    self, CookieWith304, NotPrivate, NotRenewed, PageOfAnother, SignOutLost, TokenLogged, VaryHidden, WriteLostWith304,
};
use super::suite::{self, Answer, App, Ask, Login, PUBLIC, Page, sessions};

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let fields = [("x-of", self.of.clone()), ("x-number", self.number.to_string())];
        (fields, [(CACHE_CONTROL, PUBLIC)], self.body()).into_response()
    }
}

fn routes() -> Router {
    Router::new()
        .route("/greeting", get(async |session: Session<Login>| suite::greet(&session)))
        .route(
            "/asset",
            get(async || ([(CACHE_CONTROL, PUBLIC)], "a picture ".repeat(20))),
        )
        .route(
            "/enter/{name}",
            post(async |mut session: Session<Login>, Path(name): Path<String>| suite::enter(&mut session, &name)),
        )
        .route(
            "/count",
            get(async |mut session: Session<Login>| suite::count(&mut session)),
        )
        .route("/leave", post(leave))
        .route(
            "/leave/late",
            post(async |session| {
                leave(session).await?;
                pending::<Result<Page, WriteError>>().await
            }),
        )
        .route(
            "/leave/panic",
            post(async |session| {
                let left = leave(session).await;
                assert!(left.is_err(), "a fault after the sign-out");
                left
            }),
        )
}

async fn leave(mut session: Session<Login>) -> Result<Page, WriteError> {
    session.end()?;
    Ok(suite::greet(&session))
}

fn app(router: Router) -> App {
    Box::new(move |Ask { method, path, fields }| {
        let router = router.clone();
        Box::pin(async move {
            let mut request = Request::builder().method(method).uri(path);
            for (name, value) in fields {
                request = request.header(name, value);
            }
            let request = request.body(Body::empty()).expect("the fields are valid");
            let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            let lines = response.headers().iter();
            Answer {
                status: response.status().as_u16(),
                lines: lines
                    .map(|(name, value)| {
                        let value = value.to_str().expect("all fields are visible ASCII");
                        (name.to_string(), value.to_owned())
                    })
                    .collect(),
            }
        })
    })
}

/// The log of one stack.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn assert_flaws(order: &[&str], expected: &[Flaw]) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(log.clone());
    let _listening = subscriber.set_default();
    let (sessions, guest) = sessions();
    let app = app(stack(routes(), order, &SessionLayer::new(sessions)));
    let shown = || String::from_utf8_lossy(&log.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
    let found = suite::flaws(&app, order, &guest, shown).await;
    assert_eq!(found, expected.iter().copied().collect(), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn the_stack_that_the_documentation_draws_loses_nothing_but_a_write_that_a_304_hides() {
    let order = documented();
    assert_eq!(order.len(), 9, "{order:?}");
    assert_flaws(&order, &[WriteLostWith304]).await;
}

#[tokio::test(start_paused = true)]
async fn alone_the_layer_is_without_a_flaw() {
    assert_flaws(&["SessionLayer"], &[]).await;
}

#[tokio::test(start_paused = true)]
async fn each_layer_alone_inside_and_outside() {
    let cached_inside = [VaryHidden, NotPrivate, PageOfAnother, NotRenewed];
    let table: &[(&str, &[Flaw], &[Flaw])] = &[
        // layer, inside, outside
        ("CompressionLayer", &[], &[VaryHidden]),
        ("CorsLayer", &[], &[VaryHidden]),
        ("TimeoutLayer", &[], &[SignOutLost]),
        ("CatchPanicLayer", &[], &[SignOutLost]),
        ("ETag layer", &[WriteLostWith304], &[CookieWith304]),
        ("careful ETag layer", &[WriteLostWith304], &[]),
        ("response cache", &cached_inside, &[]),
        // Until the `Cookie` field is marked sensitive.
        ("TraceLayer", &[TokenLogged], &[TokenLogged]),
    ];
    for (layer, inside, outside) in table {
        assert_flaws(&["SessionLayer", layer], inside).await;
        assert_flaws(&[layer, "SessionLayer"], outside).await;
    }
    let sensitive = "SetSensitiveRequestHeadersLayer";
    assert_flaws(&[sensitive, "TraceLayer", "SessionLayer"], &[]).await;
    assert_flaws(&[sensitive, "SessionLayer", "TraceLayer"], &[]).await;
    assert_flaws(&["TraceLayer", sensitive, "SessionLayer"], &[TokenLogged]).await;
}
