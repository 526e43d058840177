//! Tokens in pasted input: a bare token, the value of a `Cookie` header, or its whole line.

use sealed_session::edge::Claims;
use sealed_session::{Reason, RequestFields};
use zeroize::Zeroizing;

/// The input.
pub(crate) struct Header {
    /// The values of the `Cookie` fields.
    fields: Vec<Zeroizing<String>>,
    /// Whether it is a token alone, without the name of a cookie.
    pub(crate) is_bare: bool,
    /// The tokens in it, in order.
    pub(crate) tokens: Vec<Token>,
    /// The other cookies of a session that takes several, each as a pair.
    chunks: Vec<Zeroizing<String>>,
    /// Names of all cookies.
    pub(crate) names: Vec<String>,
}

/// A cookie that is a token by its name or by its form.
pub(crate) struct Token {
    pub(crate) name: String,
    pub(crate) claims: Result<Claims, Reason>,
    /// Whether it is the application's session cookie or activity cookie.
    pub(crate) place: Place,
    pub(crate) value: Zeroizing<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Session,
    Activity,
    /// A token in a cookie of another name.
    Other,
}

impl Header {
    /// Reads the input; `name` and `activity_name` are those of the application's cookies.
    pub(crate) fn parse(input: &str, name: &str, activity_name: &str) -> Self {
        let input = input.trim();
        let is_bare = !input.is_empty() && !input.trim_end_matches('=').contains(['=', ';', ' ', '\t', '\n', ':']);
        let mut header = Self {
            fields: Vec::new(),
            is_bare,
            tokens: Vec::new(),
            chunks: Vec::new(),
            names: Vec::new(),
        };
        if is_bare {
            let is_activity = Claims::parse(input).is_ok_and(|claims| claims.is_activity);
            let name = if is_activity { activity_name } else { name };
            let place = if is_activity { Place::Activity } else { Place::Session };
            header.fields.push(Zeroizing::new(format!("{name}={input}")));
            header.push(name, input, place);
            return header;
        }
        for line in input.lines() {
            let field = match line.split_once(':') {
                Some((field, value)) if field.trim().eq_ignore_ascii_case("cookie") => value,
                _ => line,
            };
            header.fields.push(Zeroizing::new(field.trim().to_owned()));
            for (cookie, value) in field.split(';').filter_map(|pair| pair.split_once('=')) {
                let (cookie, value) = (cookie.trim(), value.trim());
                header.names.push(cookie.to_owned());
                if cookie == name {
                    header.push(cookie, value, Place::Session);
                } else if cookie == activity_name {
                    header.push(cookie, value, Place::Activity);
                } else if cookie.strip_prefix(name).is_some_and(|end| CHUNKS.contains(&end)) {
                    header.chunks.push(Zeroizing::new(format!("{cookie}={value}")));
                } else if Claims::parse(value).is_ok() {
                    header.push(cookie, value, Place::Other);
                }
            }
        }
        header
    }

    fn push(&mut self, name: &str, value: &str, place: Place) {
        // As on a server, the place decides which kind of token it must be.
        let claims = match Claims::parse(value) {
            Ok(claims) if place != Place::Other && claims.is_activity != (place == Place::Activity) => {
                Err(Reason::UnknownVersion)
            }
            other => other,
        };
        self.tokens.push(Token {
            name: name.to_owned(),
            claims,
            place,
            value: Zeroizing::new(value.to_owned()),
        });
    }

    /// The whole header as a request has it.
    pub(crate) fn request(&self) -> RequestFields {
        RequestFields::from_cookies(
            self.fields
                .iter()
                .map(|field| field.as_bytes().to_vec())
                .collect::<Vec<_>>(),
        )
    }

    /// A request with this session cookie, the others that it may need, and some activity cookies.
    pub(crate) fn request_of(&self, session: &Token, activity: &[&Token]) -> RequestFields {
        let tokens = std::iter::once(session).chain(activity.iter().copied());
        let pairs = tokens.map(|token| format!("{}={}", token.name, &*token.value));
        let chunks = self.chunks.iter().map(|pair| pair.to_string());
        RequestFields::from_cookies(pairs.chain(chunks).collect::<Vec<_>>())
    }

    /// The tokens of one place.
    pub(crate) fn at(&self, place: Place) -> impl Iterator<Item = &Token> {
        self.tokens.iter().filter(move |token| token.place == place)
    }
}

/// What follows the name of the session cookie in those of the others.
const CHUNKS: [&str; 3] = [".2", ".3", ".4"];
