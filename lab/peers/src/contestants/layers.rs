//! Whole requests through tower layers.

use super::*;

mod through_layer {
    pub use http::header::{COOKIE, SET_COOKIE};
    pub use http::{HeaderValue, Request, Response};
    pub use std::convert::Infallible;
    pub use tower::{Layer, Service, service_fn};

    pub fn request(cookie: Option<HeaderValue>) -> Request<()> {
        let mut request = Request::new(());
        if let Some(cookie) = cookie {
            request.headers_mut().insert(COOKIE, cookie);
        }
        request
    }

    pub fn cookie_of(response: &Response<()>) -> HeaderValue {
        let lines = response.headers().get_all(SET_COOKIE).iter();
        let pairs: Vec<&str> = lines
            .filter_map(|line| line.to_str().expect("ASCII").split(';').next())
            .collect();
        HeaderValue::try_from(pairs.join("; ")).expect("ASCII")
    }

    pub fn changed(cookie: &HeaderValue, change: fn(&str) -> String) -> HeaderValue {
        HeaderValue::try_from(change(cookie.to_str().expect("ASCII"))).expect("ASCII")
    }
}

/// A request that runs through a service. The handler alone, and not the cookie, decides what the request does.
fn served<S>(service: S, cookie: Option<http::HeaderValue>) -> Operation
where
    S: tower::Service<http::Request<()>, Response = http::Response<()>, Error = std::convert::Infallible> + 'static,
{
    served_each(service, move || cookie.clone())
}

/// As [`served`], with a cookie for each request.
fn served_each<S>(service: S, cookie: impl Fn() -> Option<http::HeaderValue> + 'static) -> Operation
where
    S: tower::Service<http::Request<()>, Response = http::Response<()>, Error = std::convert::Infallible> + 'static,
{
    let service = std::cell::RefCell::new(service);
    prepared(
        move || through_layer::request(cookie()),
        move |request| ready(service.borrow_mut().call(request)).is_ok_and(|response| response.status().is_success()),
    )
}

pub fn ours_layer(size: usize) -> Contestant {
    use sealed_session::{Session, SessionLayer};
    use through_layer::*;

    type Done = std::future::Ready<Result<Response<()>, Infallible>>;
    type Handler = fn(Request<()>) -> Done;
    fn answer() -> Done {
        std::future::ready(Ok(Response::new(())))
    }
    fn session(request: &Request<()>) -> Session<Visit> {
        Session::from_extensions(request.extensions()).expect("the layer is there")
    }
    fn untouched(request: Request<()>) -> Done {
        drop(std::hint::black_box(request));
        answer()
    }
    fn finds(request: Request<()>) -> Done {
        assert!(session(&request).get().is_some());
        answer()
    }
    fn finds_none(request: Request<()>) -> Done {
        assert!(session(&request).get().is_none());
        answer()
    }
    let data = visit(size);
    let through = |sessions: &Sessions<Visit>, handler: Handler, cookie: HeaderValue| {
        served(
            SessionLayer::new(sessions.clone()).layer(service_fn(handler)),
            Some(cookie),
        )
    };
    let (usual, alone) = (sessions(OURS), sessions_without_idle(OURS));
    let (elsewhere, stranger) = (sessions_without_cache(OURS), sessions_without_idle(STRANGER));
    let cookie = move |sessions: &Sessions<Visit>, at| {
        HeaderValue::try_from(sessions.cookie_for_at(visit(size), at).expect("it fits")).expect("ASCII")
    };
    let genuine = cookie(&alone, now());
    let start = move |request: Request<()>| {
        let mut session = session(&request);
        session.start(data.clone()).expect("it fits");
        answer()
    };
    Contestant::new("sealed-session `SessionLayer`")
        .with(What::Untouched, through(&alone, untouched, genuine.clone()))
        .with(
            What::Seal,
            served(SessionLayer::new(alone.clone()).layer(service_fn(start)), None),
        )
        .with(What::OpenSeen, through(&usual, finds, cookie(&usual, now())))
        .with(
            What::OpenFirst,
            served_each(
                SessionLayer::new(usual).layer(service_fn(finds as Handler)),
                move || Some(cookie(&elsewhere, now())),
            ),
        )
        .with(
            What::FlippedBit,
            through(&alone, finds_none, changed(&genuine, flipped_cookie)),
        )
        .with(What::UnknownKey, through(&alone, finds_none, cookie(&stranger, now())))
        .with(What::Expired, through(&alone, finds_none, cookie(&alone, now() - DAY)))
        .with(
            What::Garbage,
            through(&alone, finds_none, changed(&genuine, garbage_cookie)),
        )
}

pub fn seshcookie_layer(size: usize) -> Contestant {
    use seshcookie::{Session, SessionConfig, SessionKeys, SessionLayer};
    use through_layer::*;

    // Its extractor is axum's and takes the state from the extensions; getting the data clones it.
    async fn session(request: Request<()>) -> Session<Visit> {
        use axum_core::extract::FromRequestParts;
        let (mut parts, ()) = request.into_parts();
        Session::from_request_parts(&mut parts, &())
            .await
            .expect("the layer is there")
    }
    async fn untouched(request: Request<()>) -> Result<Response<()>, Infallible> {
        drop(std::hint::black_box(request));
        Ok(Response::new(()))
    }
    async fn reads(request: Request<()>) -> Result<Response<()>, Infallible> {
        assert!(session(request).await.get().await.is_some());
        Ok(Response::new(()))
    }
    async fn finds_none(request: Request<()>) -> Result<Response<()>, Infallible> {
        assert!(session(request).await.get().await.is_none());
        Ok(Response::new(()))
    }
    let layer = |index: u8, life: Duration| {
        let keys = SessionKeys::new(&secret(index)[..32]).expect("32 bytes");
        let config = SessionConfig::default().max_age(life).refresh_after(None);
        SessionLayer::<Visit>::new(keys, config).expect("a configuration")
    };
    let start = |data: Visit| {
        move |request: Request<()>| {
            let data = data.clone();
            async move {
                session(request).await.insert(data).await;
                Ok::<_, Infallible>(Response::new(()))
            }
        }
    };
    let cookie = |layer: &SessionLayer<Visit>| {
        let mut service = layer.layer(service_fn(start(visit(size))));
        cookie_of(&ready(service.call(request(None))).expect("infallible"))
    };
    let (ours, brief) = (layer(OURS, DAY / 2), layer(OURS, Duration::from_secs(1)));
    let (genuine, foreign) = (cookie(&ours), cookie(&layer(STRANGER, DAY / 2)));
    let late = cookie(&brief);
    std::thread::sleep(Duration::from_millis(2100));
    Contestant::new("seshcookie")
        .with(
            What::Untouched,
            served(ours.layer(service_fn(untouched)), Some(genuine.clone())),
        )
        .with(What::Seal, served(ours.layer(service_fn(start(visit(size)))), None))
        .with(What::Open, served(ours.layer(service_fn(reads)), Some(genuine.clone())))
        .with(
            What::FlippedBit,
            served(
                ours.layer(service_fn(finds_none)),
                Some(changed(&genuine, flipped_cookie)),
            ),
        )
        .with(
            What::UnknownKey,
            served(ours.layer(service_fn(finds_none)), Some(foreign)),
        )
        .with(What::Expired, served(brief.layer(service_fn(finds_none)), Some(late)))
        .with(
            What::Garbage,
            served(
                ours.layer(service_fn(finds_none)),
                Some(changed(&genuine, garbage_cookie)),
            ),
        )
}
