use poem::{Endpoint, Request, Response};
use sealed_session::{RequestFields, Sessions};

use crate::Login;

/// `.around(move |next, request| keep(sessions.clone(), next, request))`; handlers take `Data<&Session<Login>>` and
/// clone it, which gives another handle to the same session.
///
/// # Errors
/// None: it turns an error of the endpoint into a response, so that this carries the session's cookies too.
pub async fn keep(sessions: Sessions<Login>, next: impl Endpoint, mut request: Request) -> poem::Result<Response> {
    let session = sessions.load(RequestFields::from(request.headers()));
    request.set_data(session.clone());
    let mut response = next.get_response(request).await;
    session.finish(response.status().as_u16(), response.headers_mut());
    Ok(response)
}

#[cfg(test)]
mod tests {
    use poem::web::Data;
    use poem::{EndpointExt, Route, get, handler, post};
    use sealed_session::Session;

    use super::*;
    use crate::testing::{Answer, sessions, sign_in_read_sign_out};

    #[handler]
    fn home(session: Data<&Session<Login>>) -> String {
        let user = session.get().map(|login| format!("user {}", login.user));
        user.unwrap_or_else(|| "nobody".to_owned())
    }

    #[handler]
    fn sign_in(session: Data<&Session<Login>>) -> Response {
        let mut session = session.clone();
        session.start(Login { user: 7 }).expect("a small session is kept");
        Response::builder()
            .header("set-cookie", "theme=dark")
            .header("set-cookie", "__Host-id=left-over; Path=/; Secure")
            .header("cache-control", "public, max-age=600")
            .body("welcome")
    }

    #[handler]
    fn sign_out(session: Data<&Session<Login>>) -> &'static str {
        let mut session = session.clone();
        session.end().expect("nothing hinders a sign-out");
        "bye"
    }

    #[tokio::test]
    async fn poem_signs_in_reads_and_signs_out() {
        let sessions = sessions();
        let app = Route::new()
            .at("/", get(home))
            .at("/sign-in", post(sign_in))
            .at("/sign-out", post(sign_out))
            .around(move |next, request| keep(sessions.clone(), next, request));
        sign_in_read_sign_out(async |method, path, cookies| {
            let request = Request::builder()
                .method(method.parse().expect("a method"))
                .uri_str(path)
                .header("cookie", cookies)
                .finish();
            let response = app.get_response(request).await;
            let (parts, body) = response.into_parts();
            let lines = parts.headers.iter();
            Answer {
                status: parts.status.as_u16(),
                headers: lines
                    .map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned()))
                    .collect(),
                body: body.into_string().await.expect("a text"),
            }
        })
        .await;
    }
}
