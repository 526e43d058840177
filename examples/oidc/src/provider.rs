//! The requests to the provider, and its answers.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::str::FromStr;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::AUTHORIZATION;
use axum::http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::{Client as HttpClient, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreIdToken, CoreTokenResponse};
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndSessionUrl, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, LogoutRequest, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, TokenResponse,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::Login;

/// The provider's three tokens, as the session keeps them.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Tokens {
    /// Says who signed in. Used once more, as a hint at the sign-out.
    pub(crate) id: String,
    access: String,
    access_expires: i64,
    pub(crate) refresh: String,
}

impl Tokens {
    /// Whether the access token expires within this time.
    pub(crate) fn expires_within(&self, time: Duration) -> bool {
        self.access_expires <= (OffsetDateTime::now_utc() + time).unix_timestamp()
    }
}

#[derive(Debug)]
pub(crate) enum RefreshError {
    /// The refresh token is spent, expired or revoked.
    Refused,
    /// The provider does not answer as it should.
    NoAnswer,
}

pub(crate) struct Provider {
    client: Client,
    end_session: EndSessionUrl,
    orders: String,
    http: Http,
}

type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

const HOME: &str = "http://localhost:3000/";
const CALLBACK: &str = "http://localhost:3000/callback";

impl Provider {
    /// Asks the provider for its addresses and keys. A server that runs for weeks asks again every hour: keys change.
    pub(crate) async fn discover(issuer: String) -> Result<Self, Box<dyn Error>> {
        let http = Http(HttpClient::builder(TokioExecutor::new()).build_http());
        let orders = format!("{issuer}/api/orders");
        let metadata = ProviderMetadataWithLogout::discover_async(IssuerUrl::new(issuer)?, &http).await?;
        let end_session = metadata.additional_metadata().end_session_endpoint.clone();
        let secret = ClientSecret::new("only-for-this-example".into());
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new("shop".into()), Some(secret));
        Ok(Self {
            client: client.set_redirect_uri(RedirectUrl::new(CALLBACK.into())?),
            end_session: end_session.ok_or("this provider has no end_session_endpoint")?,
            orders,
            http,
        })
    }

    /// Where a visitor signs in.
    pub(crate) fn sign_in_address(&self, state: CsrfToken, nonce: Nonce, challenge: PkceCodeChallenge) -> String {
        let request = self
            .client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, || nonce);
        let request = request
            .add_scope(Scope::new("profile".into()))
            .add_scope(Scope::new("orders".into()));
        request.set_pkce_challenge(challenge).url().0.into()
    }

    /// Exchanges the code for tokens, and checks the ID token: signature, issuer, audience, expiry and nonce.
    pub(crate) async fn exchange(
        &self,
        code: AuthorizationCode,
        verifier: PkceCodeVerifier,
        nonce: &Nonce,
    ) -> Result<Login, Box<dyn Error>> {
        let request = self.client.exchange_code(code)?.set_pkce_verifier(verifier);
        let answer = request.request_async(&self.http).await?;
        let id_token = answer.id_token().ok_or("the provider gave no ID token")?;
        let claims = id_token.claims(&self.client.id_token_verifier(), nonce)?;
        let refresh = answer.refresh_token().ok_or("the provider gave no refresh token")?;
        let name = claims.name().and_then(|names| names.get(None));
        Ok(Login {
            sub: claims.subject().to_string(),
            name: name.map(|name| name.to_string()).unwrap_or_default(),
            tokens: Some(tokens(&answer, id_token.to_string(), refresh)),
        })
    }

    /// New tokens for the refresh token of these. The ID token stays: it said who signed in, and that has not changed.
    pub(crate) async fn refresh(&self, old: &Tokens) -> Result<Tokens, RefreshError> {
        let refresh = RefreshToken::new(old.refresh.clone());
        let request = self
            .client
            .exchange_refresh_token(&refresh)
            .map_err(|_| RefreshError::NoAnswer)?;
        let answer = request.request_async(&self.http).await.map_err(|error| {
            eprintln!("no new tokens: {error}");
            match error {
                RequestTokenError::ServerResponse(_) => RefreshError::Refused,
                _ => RefreshError::NoAnswer,
            }
        })?;
        // A provider that does not rotate gives no new one.
        Ok(tokens(
            &answer,
            old.id.clone(),
            answer.refresh_token().unwrap_or(&refresh),
        ))
    }

    /// What the API says to this access token.
    pub(crate) async fn orders(&self, tokens: &Tokens) -> Result<String, Box<dyn Error>> {
        let request = Request::get(&self.orders).header(AUTHORIZATION, format!("Bearer {}", tokens.access));
        let answer = self.http.call(request.body(Vec::new())?).await?;
        match answer.status() {
            StatusCode::OK => Ok(String::from_utf8(answer.into_body())?),
            status => Err(format!("the API says {status}").into()),
        }
    }

    /// Where a visitor signs out. With the ID token the provider knows whose sign-in ends, and where to go afterwards.
    pub(crate) fn sign_out_address(&self, id_token: Option<&str>) -> String {
        let home = PostLogoutRedirectUrl::new(HOME.into()).expect("it is a URL");
        let request = LogoutRequest::from(self.end_session.clone())
            .set_client_id(self.client.client_id().clone())
            .set_post_logout_redirect_uri(home);
        let request = match id_token.map(CoreIdToken::from_str) {
            Some(Ok(id_token)) => request.set_id_token_hint(&id_token),
            _ => request,
        };
        request.http_get_url().into()
    }
}

fn tokens(answer: &CoreTokenResponse, id: String, refresh: &RefreshToken) -> Tokens {
    Tokens {
        id,
        access: answer.access_token().secret().clone(),
        access_expires: (OffsetDateTime::now_utc() + answer.expires_in().unwrap_or_default()).unix_timestamp(),
        refresh: refresh.secret().clone(),
    }
}

/// hyper, which axum brings anyway. It speaks plain http to a provider on loopback; for any other provider take reqwest
/// (a feature of `openidconnect`), which brings TLS.
struct Http(HttpClient<HttpConnector, Full<Bytes>>);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<HttpResponse>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        let answer = async {
            let request = request.map(|body| Full::new(Bytes::from(body)));
            let (parts, body) = self.0.request(request).await.map_err(io::Error::other)?.into_parts();
            let body = Limited::new(body, 1 << 20).collect().await.map_err(io::Error::other)?;
            Ok(HttpResponse::from_parts(parts, body.to_bytes().into()))
        };
        Box::pin(async { tokio::time::timeout(Duration::from_secs(10), answer).await? })
    }
}
