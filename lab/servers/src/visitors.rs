//! Visitors sign in, and check that the servers answer as they should.

use std::net::SocketAddr;

use ureq::Agent;
use ureq::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, SET_COOKIE};
use ureq::http::{HeaderName, Request};

use crate::Result;
use crate::servers::Server;
use crate::site::{add_article, page, public_page, visit_of};
use crate::variants::{Action, Variant};

pub struct Visitor {
    pub number: u64,
    /// The `Cookie` field that the visitor sends.
    pub cookies: String,
}

impl Visitor {
    /// The same visitor after an answer that set these cookies.
    fn with(&self, set: &[(String, String)]) -> Self {
        let came = self.cookies.split("; ").filter_map(|pair| pair.split_once('='));
        let kept = came.filter(|(name, _)| set.iter().all(|(new, _)| new != name));
        let new = set.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Self {
            number: self.number,
            cookies: cookie_field(kept.chain(new)),
        }
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    content_type: String,
    cache_control: Option<String>,
    /// Names and values.
    cookies: Vec<(String, String)>,
    body: String,
}

/// Sends requests to one server.
pub struct Client {
    agent: Agent,
    server: Server,
    address: SocketAddr,
}

impl Client {
    pub fn new(server: Server, address: SocketAddr) -> Self {
        let agent = Agent::config_builder().http_status_as_error(false).build().into();
        Self { agent, server, address }
    }

    pub fn sign_in(&self, number: u64) -> Result<Visitor> {
        let answer = self.ask("POST", &format!("/sign-in/{number}"), "")?;
        if answer.status != 204 || answer.cookies.is_empty() {
            return Err(format!("{:?}: no sign-in: {answer:?}", self.server).into());
        }
        let cookies = String::new();
        Ok(Visitor { number, cookies }.with(&answer.cookies))
    }

    /// Asks as the load does, and fails if status, header fields or page are not those of this visitor and variant.
    pub fn check(&self, variant: Variant, visitor: &Visitor) -> Result<()> {
        let wrong = |why: &str| format!("{variant:?}, visitor {}: {why}", visitor.number);
        let before = match variant.action {
            Action::Written => Some(
                self.articles(visitor)?
                    .ok_or_else(|| wrong("no page before the write"))?,
            ),
            _ => None,
        };
        let (method, path) = variant.target();
        let answer = self.ask(method, path, &visitor.cookies)?;
        let names: Vec<&str> = answer.cookies.iter().map(|(name, _)| name.as_str()).collect();
        if answer.status != 200
            || answer.content_type != "text/html; charset=utf-8"
            || answer.cache_control.as_deref() != variant.cache_control()
            || names != variant.cookies_set()
        {
            return Err(wrong(&format!("{answer:?}")).into());
        }
        if variant.action == Action::Public {
            return if answer.body == public_page() {
                Ok(())
            } else {
                Err(wrong(&answer.body).into())
            };
        }
        let shown = articles_on(&answer.body, visitor.number).ok_or_else(|| wrong(&answer.body))?;
        if let Some(before) = before {
            let after = visitor.with(&answer.cookies);
            if shown != before % 9 + 1 || self.articles(&after)? != Some(shown) {
                return Err(wrong("the write is lost").into());
            }
        }
        Ok(())
    }

    /// A visitor without a session is refused: so the load notices if a session is lost.
    pub fn check_guest(&self, variant: Variant) -> Result<()> {
        let (method, path) = variant.target();
        let expected = if variant.action == Action::Public { 200 } else { 401 };
        match self.ask(method, path, "")? {
            Answer { status, .. } if status == expected => Ok(()),
            answer => Err(format!("{variant:?}, guest: {answer:?}").into()),
        }
    }

    /// The number of articles on the visitor's page, if it is that.
    fn articles(&self, visitor: &Visitor) -> Result<Option<u32>> {
        let answer = self.ask("GET", "/account", &visitor.cookies)?;
        Ok(articles_on(&answer.body, visitor.number))
    }

    fn ask(&self, method: &str, path: &str, cookies: &str) -> Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        if method == "POST" {
            // Otherwise ureq sends an empty body in chunks, and servers answer and close before they come.
            request = request.header(CONTENT_LENGTH, "0");
        }
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies);
        }
        let response = self.agent.run(request.body(())?);
        let mut response = response.map_err(|error| format!("{:?}, {path}: {error}", self.server))?;
        let headers = response.headers();
        let text = |name: HeaderName| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let lines = headers.get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.filter_map(|line| line.split(';').next()?.split_once('='));
        Ok(Answer {
            status: response.status().as_u16(),
            content_type: text(CONTENT_TYPE).unwrap_or_default(),
            cache_control: text(CACHE_CONTROL),
            cookies: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: response.body_mut().read_to_string()?,
        })
    }
}

fn cookie_field<'a>(cookies: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<String> = cookies.map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("; ")
}

/// The number of articles for which this is the page of the visitor.
fn articles_on(body: &str, number: u64) -> Option<u32> {
    let mut visit = visit_of(number);
    for _ in 0..9 {
        if page(&visit) == body {
            return visit.basket.first().map(|item| item.count);
        }
        add_article(&mut visit);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_another_visitor_is_noticed() {
        let mut visit = visit_of(3);
        assert_eq!(articles_on(&page(&visit), 3), Some(1));
        add_article(&mut visit);
        assert_eq!(articles_on(&page(&visit), 3), Some(2));
        assert_eq!(articles_on(&page(&visit), 4), None);
        assert_eq!(articles_on(crate::site::SIGN_IN_FIRST, 3), None);
    }
}
