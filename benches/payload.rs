//! Session data as real applications keep it, in four sizes: shared by all benchmarks.

use serde::{Deserialize, Serialize};

/// The data that a shop keeps about a visitor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Visit {
    pub(crate) user: u64,
    pub(crate) name: String,
    pub(crate) locale: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) basket: Vec<Item>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) sku: String,
    pub(crate) count: u32,
    pub(crate) price: f64,
    pub(crate) gift: bool,
}

/// A visit whose JSON has exactly `size` bytes.
pub(crate) fn visit(size: usize) -> Visit {
    let mut visit = Visit {
        user: 4_242_424,
        name: "Ada".into(),
        locale: "en-GB".into(),
        roles: Vec::new(),
        basket: Vec::new(),
    };
    let length = |visit: &Visit| serde_json::to_vec(visit).expect("a visit serialises").len();
    if size >= 200 {
        visit.roles = vec!["customer".into(), "newsletter".into(), "beta-tester".into()];
    }
    for index in 0u32.. {
        let item = Item {
            sku: format!("SKU-{:06}", 100_000 + index * 37),
            count: 1 + index % 9,
            price: f64::from(995 + index * 250) / 100.0,
            gift: index % 3 == 0,
        };
        visit.basket.push(item);
        if length(&visit) > size {
            visit.basket.pop();
            break;
        }
    }
    // The name fills the rest, so that all contestants serialise the same number of bytes.
    let missing = size - length(&visit);
    visit.name.extend("Lovelace".chars().cycle().take(missing));
    assert_eq!(length(&visit), size);
    visit
}
