use salvo::http::StatusCode;
use salvo::{Depot, FlowCtrl, Handler, Request, Response, async_trait};
use sealed_session::{RequestFields, Sessions};

use crate::Login;

/// `Router::new().hoop(KeepSession(sessions))`; handlers take the session with `depot.get_typed::<Session<Login>>()`
/// and clone it, which gives another handle to the same session.
pub struct KeepSession(pub Sessions<Login>);

#[async_trait]
impl Handler for KeepSession {
    async fn handle(&self, request: &mut Request, depot: &mut Depot, response: &mut Response, ctrl: &mut FlowCtrl) {
        let session = self.0.load(RequestFields::from(request.headers()));
        depot.insert_typed(session.clone());
        ctrl.call_next(request, depot, response).await;
        // Without a status, salvo answers 200.
        let status = response.status_code.unwrap_or(StatusCode::OK);
        session.finish(status.as_u16(), response.headers_mut());
    }
}

#[cfg(test)]
mod tests {
    use salvo::http::Method;
    use salvo::test::{RequestBuilder, ResponseExt};
    use salvo::{Router, Service, handler};
    use sealed_session::Session;

    use super::*;
    use crate::testing::{Answer, sessions, sign_in_read_sign_out};

    fn session(depot: &Depot) -> Session<Login> {
        depot.get_typed::<Session<Login>>().expect("the hoop is there").clone()
    }

    #[handler]
    async fn home(depot: &mut Depot) -> String {
        let user = session(depot).get().map(|login| format!("user {}", login.user));
        user.unwrap_or_else(|| "nobody".to_owned())
    }

    #[handler]
    async fn sign_in(depot: &mut Depot, response: &mut Response) -> &'static str {
        let started = session(depot).start(Login { user: 7 });
        started.expect("a small session is kept");
        for (name, value) in [
            ("set-cookie", "theme=dark"),
            ("set-cookie", "__Host-id=left-over; Path=/; Secure"),
            ("cache-control", "public, max-age=600"),
        ] {
            response.add_header(name, value, false).expect("a header field");
        }
        "welcome"
    }

    #[handler]
    async fn sign_out(depot: &mut Depot) -> &'static str {
        session(depot).end().expect("nothing hinders a sign-out");
        "bye"
    }

    #[tokio::test]
    async fn salvo_signs_in_reads_and_signs_out() {
        let app = Router::new()
            .hoop(KeepSession(sessions()))
            .get(home)
            .push(Router::with_path("sign-in").post(sign_in))
            .push(Router::with_path("sign-out").post(sign_out));
        let app = Service::new(app);
        sign_in_read_sign_out(async |method, path, cookies| {
            let method: Method = method.parse().expect("a method");
            let request = RequestBuilder::new(format!("http://127.0.0.1{path}"), method);
            let mut response = request.add_header("cookie", cookies, true).send(&app).await;
            let lines = response.headers().iter();
            Answer {
                status: response.status_code.unwrap_or(StatusCode::OK).as_u16(),
                headers: lines
                    .map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned()))
                    .collect(),
                body: response.take_string().await.expect("a text"),
            }
        })
        .await;
    }
}
