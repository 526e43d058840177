//! The basket, and the orders of a user.

use super::{Home, Page, answer, document, escape};
use crate::Login;
use crate::answer::Done;
use crate::shop::{Basket, Item, MOST, Order};
use crate::terminal::date_time;

/// The basket of the home page, also for a visitor without a session.
pub(super) fn basket(home: &Home<'_>) -> String {
    let (visitor, done) = (home.visitor.as_ref(), home.done);
    let empty = Basket::new();
    let basket = visitor.map_or(&empty, |visitor| &visitor.login.basket);
    let name = visitor.and_then(|visitor| visitor.login.name.as_ref());
    let changed = match (done, visitor, name) {
        (Some(Done::BasketChanged), None, _) if home.cookies.session.is_none() => answer(GUEST_LEFT),
        (Some(Done::BasketChanged), Some(_), None) => answer(GUEST_CHANGED),
        (Some(Done::BasketChanged), Some(_), Some(_)) => answer(CHANGED),
        _ => String::new(),
    };
    let mut rows = String::new();
    for item in Item::ALL {
        let count = basket.get(&item).copied().unwrap_or(0);
        let disabled = |is_so| if is_so { " disabled" } else { "" };
        rows += &format!(
            r#"<li><form method="post" action="/basket"><input type="hidden" name="item" value="{name}">
<span>{title}</span>
<button name="change" value="remove" aria-label="one {name} less"{}>−</button>
<b>{count}</b>
<button name="change" value="add" aria-label="one {name} more"{}>+</button>
</form></li>
"#,
            disabled(count == 0),
            disabled(count == MOST),
            name = item.name(),
            title = title(item),
        );
    }
    format!(
        r#"<section class="card basket" aria-labelledby="basket">
<h2 id="basket">Basket <span class="count">{}</span></h2>
{changed}<ul>
{rows}</ul>
<p class="small">{}</p>
<p><a href="/orders">{}</a></p>
</section>
"#,
        basket.values().sum::<u32>(),
        if visitor.is_some() { SEALED } else { NO_SESSION },
        if name.is_some() { "Order it" } else { "Sign in to order" },
    )
}

const SEALED: &str = "The basket is in the cookie too. Every change seals it again with a fresh salt. The id stays.";

const NO_SESSION: &str = "You have no session. The first item starts one: guests have sessions too.";

const CHANGED: &str = "A change seals your session again: new bytes in the cookie, the same id.";

const GUEST_CHANGED: &str = "You are a guest with a session: your basket is sealed in your cookie, and nobody had to \
                             sign in.";

const GUEST_LEFT: &str = "Your basket is empty, so your session has ended, and its cookies are removed.";

/// What only users see.
pub(crate) fn orders(login: &Login, orders: &[Order], done: Option<Done>) -> Page {
    let placed = match (done, orders.first()) {
        (Some(Done::Ordered), Some(order)) => answer(&format!(
            "You have ordered {}. The order is on the server now, and no longer in your cookie.",
            goods(&order.goods)
        )),
        _ => String::new(),
    };
    let basket = match login.basket.is_empty() {
        true => EMPTY.to_owned(),
        false => format!(
            "<p>{}</p>\n<form method=\"post\" action=\"/orders\"><button class=\"primary\">Order</button></form>\n",
            goods(&login.basket)
        ),
    };
    let line = |order: &Order| {
        format!(
            "<li>{}<br><small>{}</small></li>\n",
            goods(&order.goods),
            date_time(order.placed)
        )
    };
    let list: String = orders.iter().map(line).collect();
    let list = if list.is_empty() {
        "<p>None yet.</p>\n"
    } else {
        &format!("<ul class=\"orders\">\n{list}</ul>\n")
    };
    let body = format!(
        r#"<section class="hero single">
<div>
{placed}<h1>Orders of {name}.</h1>
<p class="lead">Only users see this page: its handler asks for <code>RequireSession</code>. A guest is sent to the
sign-in page, and comes back here after the sign-in.</p>
</div>
</section>
<section>
<div class="pair">
<div class="card stack">
<h2>In your basket</h2>
{basket}<p class="small">This comes from your cookie.</p>
</div>
<div class="card stack">
<h2>Ordered</h2>
{list}<p class="small">This comes from the memory of the server, by your name, and is gone when the server stops. A session is no
place for it: an older cookie would bring back the basket and forget the order.</p>
</div>
</div>
</section>
"#,
        name = escape(login.name.as_deref().unwrap_or_default()),
    );
    document("Orders", &body)
}

const EMPTY: &str = "<p>Nothing. <a href=\"/\">Fill your basket</a></p>\n";

/// `1 bread, 2 honey`
fn goods(basket: &Basket) -> String {
    let goods: Vec<_> = basket
        .iter()
        .map(|(item, count)| format!("{count} {}", item.name()))
        .collect();
    goods.join(", ")
}

fn title(item: Item) -> String {
    let (first, rest) = item.name().split_at(1);
    first.to_uppercase() + rest
}
