//! actix-web without sessions and with this crate. By default it has one worker for every core it may use.

use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, rt, web};
use sealed_session::actix::SessionMiddleware;
use sealed_session::{Session, Sessions, WriteError};

use crate::Result;
use crate::site::{self, SIGN_IN_FIRST, Visit};

pub(super) fn serve_plain() -> Result<()> {
    rt::System::new().block_on(async {
        let app = || App::new().route("/public", web::get().to(public));
        let server = HttpServer::new(app).bind("127.0.0.1:0")?;
        server.addrs().into_iter().try_for_each(super::announce)?;
        Ok(server.run().await?)
    })
}

pub(super) fn serve_sealed(sessions: Sessions<Visit>) -> Result<()> {
    rt::System::new().block_on(async {
        let middleware = SessionMiddleware::new(sessions);
        let app = move || App::new().configure(routes).wrap(middleware.clone());
        let server = HttpServer::new(app).bind("127.0.0.1:0")?;
        server.addrs().into_iter().try_for_each(super::announce)?;
        Ok(server.run().await?)
    })
}

fn routes(app: &mut web::ServiceConfig) {
    app.route("/sign-in/{visitor}", web::post().to(sign_in));
    app.route("/public", web::get().to(public));
    app.route("/account", web::get().to(account));
    app.route("/basket", web::post().to(basket));
}

async fn public() -> HttpResponse {
    html(site::public_page())
}

async fn sign_in(mut session: Session<Visit>, visitor: web::Path<u64>) -> Result<HttpResponse, WriteError> {
    session.start(site::visit_of(*visitor))?;
    Ok(HttpResponse::NoContent().finish())
}

async fn account(session: Session<Visit>) -> HttpResponse {
    answer(&session)
}

async fn basket(mut session: Session<Visit>) -> Result<HttpResponse, WriteError> {
    session.update(site::add_article)?.option();
    Ok(answer(&session))
}

fn answer(session: &Session<Visit>) -> HttpResponse {
    match session.get() {
        Some(visit) => html(site::page(visit)),
        None => HttpResponse::Unauthorized().body(SIGN_IN_FIRST),
    }
}

fn html(page: String) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::html()).body(page)
}
