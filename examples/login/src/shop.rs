//! The shop: its goods, and the orders of its customers.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The goods of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Item {
    Bread,
    Honey,
    Olives,
    Tea,
}

impl Item {
    pub(crate) const ALL: [Self; 4] = [Self::Bread, Self::Honey, Self::Olives, Self::Tea];

    /// The name in texts and forms.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bread => "bread",
            Self::Honey => "honey",
            Self::Olives => "olives",
            Self::Tea => "tea",
        }
    }
}

/// How many of each.
pub(crate) type Basket = BTreeMap<Item, u32>;

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    Add,
    Remove,
}

/// The most of one item in a basket.
pub(crate) const MOST: u32 = 99;

/// Puts one into the basket, or takes one out, if that is possible.
pub(crate) fn change(basket: &mut Basket, item: Item, change: Change) {
    let count = basket.get(&item).copied().unwrap_or(0);
    match change {
        Change::Add if count < MOST => basket.insert(item, count + 1),
        Change::Remove if count > 1 => basket.insert(item, count - 1),
        Change::Remove => basket.remove(&item),
        Change::Add => None,
    };
}

/// The orders by user, in the memory of this process. They are in no session: an older cookie would undo them.
#[derive(Default)]
pub(crate) struct Orders(Mutex<BTreeMap<String, Vec<Order>>>);

#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) placed: OffsetDateTime,
    pub(crate) goods: Basket,
}

/// How many orders of one user are kept.
const KEPT: usize = 20;

impl Orders {
    pub(crate) fn place(&self, name: String, order: Order) {
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = orders.entry(name).or_default();
        mine.insert(0, order);
        mine.truncate(KEPT);
    }

    /// The newest first.
    pub(crate) fn of(&self, name: &str) -> Vec<Order> {
        let orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        orders.get(name).cloned().unwrap_or_default()
    }
}
