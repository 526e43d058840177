//! What all servers have in common: the visitors' data, the pages, and one change of the data.

#[path = "../../../benches/payload.rs"]
mod payload;

use std::sync::LazyLock;

pub(crate) use payload::Visit;

/// Bytes of the session data as JSON.
pub const SIZE: usize = 250;

pub const SIGN_IN_FIRST: &str = "sign in first";

static FIRST: LazyLock<Visit> = LazyLock::new(|| payload::visit(SIZE));

/// The data of this visitor at sign-in. Visitors differ in their user id, which has seven digits.
pub fn visit_of(visitor: u64) -> Visit {
    let mut visit = FIRST.clone();
    visit.user += visitor;
    visit
}

/// The page of a server that reads no session, with as many bytes as everybody's page.
pub fn public_page() -> String {
    page(&FIRST)
}

/// A small page for one visitor.
pub fn page(visit: &Visit) -> String {
    let Visit { user, name, basket, .. } = visit;
    let count = basket.first().map_or(0, |item| item.count);
    format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<title>Your account</title>\n\
         <link rel=stylesheet href=/shop.css>\n<h1>Welcome back, {name}</h1>\n\
         <p>You are customer number {user}. There are {count} articles in your basket.</p>\n\
         <nav><a href=/orders>Your orders</a> <a href=/basket>Your basket</a> <a href=/help>Help</a></nav>\n"
    )
}

/// The write: always a change, and always to data of the same size.
pub fn add_article(visit: &mut Visit) {
    let item = visit.basket.first_mut().expect("250 bytes hold an article");
    item.count = item.count % 9 + 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_and_pages_of_all_visitors_have_one_size() {
        for visitor in [0, 1, 999, 5000] {
            let mut visit = visit_of(visitor);
            for _ in 0..12 {
                let before = page(&visit);
                assert_eq!(before.len(), public_page().len());
                assert_eq!(serde_json::to_vec(&visit).unwrap().len(), SIZE);
                add_article(&mut visit);
                assert_ne!(page(&visit), before);
            }
        }
        assert_ne!(page(&visit_of(1)), page(&visit_of(2)));
    }
}
