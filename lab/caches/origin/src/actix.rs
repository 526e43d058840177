//! The routes that limits are measured with, on actix-web.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use sealed_session::actix::SessionMiddleware;
use sealed_session::{Sessions, WriteError};
use serde_json::json;

use crate::{Fill, Login, Visitor, filled, kind, nonce, pads, visitor};

pub(crate) async fn serve(sessions: Sessions<Visitor>) -> std::io::Result<()> {
    let sessions = SessionMiddleware::new(sessions);
    let app = move || App::new().configure(routes).wrap(sessions.clone());
    let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0")?;
    for address in server.addrs() {
        println!("{}", address.port());
    }
    server.run().await
}

fn routes(app: &mut web::ServiceConfig) {
    app.route("/{run}/asset", web::get().to(async || page("asset")));
    app.route(
        "/{run}/private",
        web::get().to(async |session: Login| page(kind(&session))),
    );
    app.route("/{run}/enter", web::get().to(enter));
    app.route("/{run}/body/{bytes}", web::get().to(body));
    app.route("/{run}/head/{bytes}", web::get().to(head));
}

fn page(kind: &str) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "nonce": nonce(), "kind": kind }))
}

async fn enter(
    mut session: Login,
    web::Query(Fill { fill }): web::Query<Fill>,
    request: HttpRequest,
) -> Result<HttpResponse, WriteError> {
    let name = request.headers().get("x-user").and_then(|name| name.to_str().ok());
    session.start(visitor(name, fill))?;
    Ok(page(kind(&session)))
}

async fn body(path: web::Path<(String, usize)>, session: Login) -> String {
    filled(&session, path.1)
}

async fn head(path: web::Path<(String, usize)>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    for pad in pads(path.1) {
        response.append_header(("x-pad", pad));
    }
    response.json(json!({ "nonce": nonce(), "kind": "head" }))
}
