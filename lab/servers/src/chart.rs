//! The chart: requests per second as bars, readable on light and dark pages.

use std::fmt::Write;

use crate::report::Results;
use crate::servers::Server;
use crate::variants::{Action, Variant};

/// A bar's label, and what it shows.
type Bar = (&'static str, Server, Action);

/// Groups of bars, with a heading each.
const GROUPS: [(&str, &[Bar]); 3] = [
    (
        "the same page for everybody",
        &[
            ("axum without sessions", Server::Axum, Action::Public),
            ("sealed-session", Server::Sealed, Action::Public),
        ],
    ),
    (
        "a page that reads the session",
        &[
            ("sealed-session", Server::Sealed, Action::Read),
            ("on the first request", Server::SealedUncached, Action::Read),
            ("PrivateCookieJar", Server::PrivateJar, Action::Read),
            ("tower-sessions, in memory", Server::TowerMemory, Action::Read),
            ("tower-sessions, in Redis", Server::TowerRedis, Action::Read),
        ],
    ),
    (
        "a page that writes to the session",
        &[
            ("sealed-session", Server::Sealed, Action::Written),
            ("PrivateCookieJar", Server::PrivateJar, Action::Written),
            ("tower-sessions, in memory", Server::TowerMemory, Action::Written),
            ("tower-sessions, in Redis", Server::TowerRedis, Action::Written),
        ],
    ),
];

const WIDTH: f64 = 800.0;
/// Labels end and bars begin here.
const LEFT: f64 = 228.0;
/// The longest bar; its figure stands after it.
const LONGEST: f64 = 480.0;

pub fn draw(results: &Results) -> String {
    svg(&|variant| results.per_second(variant))
}

fn svg(per_second: &dyn Fn(Variant) -> f64) -> String {
    let all = GROUPS.iter().flat_map(|(_, bars)| *bars);
    let most = all
        .map(|&(_, server, action)| per_second(Variant { server, action }))
        .fold(1.0, f64::max);
    let (mut body, mut y) = (String::new(), 66.0);
    for (heading, bars) in GROUPS {
        line(
            &mut body,
            format_args!(r#"<text class="heading" x="{LEFT}" y="{}">{heading}</text>"#, y + 12.0),
        );
        y += 22.0;
        for &(label, server, action) in bars {
            let value = per_second(Variant { server, action });
            let (length, middle) = (value / most * LONGEST, y + 15.0);
            let class = match server {
                Server::Sealed => "ours",
                Server::SealedUncached => "first",
                _ => "other",
            };
            line(
                &mut body,
                format_args!(
                    "<g class=\"{class}\"><text class=\"label\" x=\"{}\" y=\"{middle}\">{label}</text>\
                     <rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"20\" rx=\"3\"/>\
                     <text class=\"value\" x=\"{:.1}\" y=\"{middle}\">{}</text></g>",
                    LEFT - 10.0,
                    LEFT + length + 8.0,
                    thousands(value)
                ),
            );
            y += 26.0;
        }
        y += 12.0;
    }
    let height = y + 4.0;
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"
  role="img" aria-labelledby="title">
<title id="title">Requests per second of axum servers with and without sessions</title>
<!-- Drawn by lab/servers/run. -->
<style>
text{{font:14px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}}
.paper{{fill:#faf8f4;stroke:#e4dfd5}} .title{{font-size:16px;font-weight:600}} .label{{text-anchor:end}}
.heading{{font-size:13px;fill:#5d6470}} .value{{font-variant-numeric:tabular-nums}}
.other rect{{fill:#b9b4aa}} .ours rect{{fill:#0b6b57}} .ours text{{font-weight:600}} .first rect{{fill:#7fb3a6}}
@media (prefers-color-scheme:dark){{
  text{{fill:#e8e6e1}} .paper{{fill:#14171a;stroke:#30363c}} .heading{{fill:#a0a6ad}}
  .other rect{{fill:#59606a}} .ours rect{{fill:#5ccdb0}} .first rect{{fill:#3a7565}}
}}
</style>
<rect class="paper" x=".5" y=".5" width="{}" height="{}" rx="14"/>
<text class="title" x="{LEFT}" y="38">Requests per second, one core</text>
{body}</svg>
"#,
        WIDTH - 1.0,
        height - 1.0
    )
}

fn line(body: &mut String, text: std::fmt::Arguments) {
    writeln!(body, "{text}").expect("a String takes everything");
}

/// Three digits that mean something: `94,300`.
fn thousands(value: f64) -> String {
    let step = 10_f64.powf(value.max(1.0).log10().floor() - 2.0).max(1.0);
    let rounded = ((value / step).round() * step) as u64;
    match (rounded / 1000, rounded % 1000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::*;

    fn number(node: Node<'_, '_>, name: &str) -> f64 {
        node.attribute(name).unwrap().parse().unwrap()
    }

    #[test]
    fn it_is_well_formed_and_each_bar_is_as_long_as_its_figure() {
        let value = |variant: Variant| 20_000.0 + 1000.0 * format!("{variant:?}").len() as f64;
        let text = svg(&value);
        let document = Document::parse(&text).unwrap();
        let bars: Vec<_> = document
            .descendants()
            .filter(|node| node.attribute("rx") == Some("3"))
            .collect();
        let all: Vec<_> = GROUPS.iter().flat_map(|(_, bars)| *bars).collect();
        assert_eq!(bars.len(), all.len());
        let values = all
            .iter()
            .map(|&&(_, server, action)| value(Variant { server, action }));
        let most = values.fold(0.0, f64::max);
        for (bar, &&(label, server, action)) in bars.iter().zip(&all) {
            let value = value(Variant { server, action });
            let texts: Vec<_> = bar
                .parent()
                .unwrap()
                .children()
                .filter_map(|node| node.text())
                .collect();
            assert_eq!(texts[..], [label, &thousands(value)]);
            assert!((number(*bar, "width") - value / most * LONGEST).abs() < 0.1);
            assert!(number(*bar, "x") + number(*bar, "width") < WIDTH - 60.0);
        }
        assert!(text.contains("prefers-color-scheme:dark"));
    }

    #[test]
    fn figures_have_three_digits_that_mean_something() {
        let figures = [
            (94_349.0, "94,300"),
            (8005.0, "8,010"),
            (104_900.0, "105,000"),
            (731.6, "732"),
            (0.0, "0"),
        ];
        for (value, text) in figures {
            assert_eq!(thousands(value), text);
        }
    }
}
