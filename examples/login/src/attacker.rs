//! What attackers do: they change a cookie. No session is touched here; the next request brings the cookie.

use axum::extract::{Form, State};
use axum::http::HeaderMap;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::Demo;
use crate::answer::Done;
use crate::token_view::{Part, flip_bit};

#[derive(Deserialize)]
pub(crate) struct Flip {
    part: Part,
}

/// Gives the visitor's cookie back with one bit flipped, and notes in a cookie of its own which one it was. The cookie ends
/// with the browser from then on, also that of a remembered session: no request says which it is.
pub(crate) async fn flip(State(demo): State<Demo>, headers: HeaderMap, Form(form): Form<Flip>) -> Response {
    let name = demo.sessions.cookie_name();
    let flipped = flipped(&headers, name);
    // One bit at a time: with two of them flipped, it would not help to flip one back.
    let is_possible = flipped.is_none_or(|part| part == form.part);
    let token = cookie(&headers, name).filter(|_| is_possible);
    let Some(altered) = token.and_then(|token| flip_bit(token, form.part)) else {
        return Redirect::to("/").into_response();
    };
    let (note, page) = match flipped {
        Some(_) => (no_note(name), Done::Restored.on("/")),
        None => (note(name, form.part, &altered), Redirect::to("/#answer")),
    };
    let lines = [set(name, &altered), note].map(|line| (SET_COOKIE, line));
    (AppendHeaders(lines), page).into_response()
}

/// The part of the session cookie in which a bit is flipped at the moment.
pub(crate) fn flipped(headers: &HeaderMap, name: &str) -> Option<Part> {
    let (word, salt) = cookie(headers, &note_name(name))?.split_once('.')?;
    let part = Part::ALL.into_iter().find(|part| part.word() == word)?;
    // Another token has another salt.
    (cookie(headers, name)?.get(SALT)? == salt).then_some(part)
}

/// The line that removes a note about a token that is no longer there.
pub(crate) fn remove_old_note(headers: &HeaderMap, name: &str) -> Option<String> {
    let is_old = cookie(headers, &note_name(name)).is_some() && flipped(headers, name).is_none();
    is_old.then(|| no_note(name))
}

/// The first cookie of this name as the browser sent it: for the picture, never for a decision.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = headers
        .get_all(COOKIE)
        .into_iter()
        .filter_map(|field| field.to_str().ok());
    fields
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}

/// Characters of the salt, which is another one in every token.
const SALT: std::ops::Range<usize> = 23..38;

fn note(name: &str, part: Part, altered: &str) -> String {
    let salt = altered.get(SALT).unwrap_or_default();
    set(&note_name(name), &format!("{}.{salt}", part.word()))
}

fn no_note(name: &str) -> String {
    set(&note_name(name), "") + "; Max-Age=0"
}

fn note_name(name: &str) -> String {
    format!("{name}-flipped")
}

fn set(name: &str, value: &str) -> String {
    let secure = if name.starts_with("__Host-") { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}")
}
