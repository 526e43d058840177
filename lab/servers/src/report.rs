//! The report, as Markdown.

use crate::processes::has_two_cores;
use crate::rounds::{CONNECTIONS, Effort};
use crate::servers::Server;
use crate::statistics::{Ratio, Slice, median, ratio};
use crate::variants::{self, Action, Variant};

pub struct Results {
    pub slices: Vec<Vec<Slice>>,
}

impl Results {
    fn of(&self, variant: Variant) -> &[Slice] {
        let at = variants::ALL.iter().position(|other| *other == variant);
        &self.slices[at.expect("all variants are measured")]
    }

    /// The median over all rounds.
    pub fn per_second(&self, variant: Variant) -> f64 {
        median(self.of(variant).iter().map(|slice| slice.per_second))
    }

    fn ratio(&self, ours: Variant, other: Variant) -> Ratio {
        ratio(self.of(ours), self.of(other))
    }
}

pub fn print(results: &Results, effort: Effort) {
    let Effort {
        rounds,
        seconds,
        visitors,
    } = effort;
    let place = if has_two_cores() {
        "the server on one core, wrk and Redis on another"
    } else {
        "all on one core"
    };
    println!(
        "- load: wrk with {CONNECTIONS} kept connections and the cookies of {visitors} visitors in turn\n\
         - cores: {place}\n\
         - rounds: {rounds}, of {seconds} s for each line\n"
    );
    println!("## Servers\n");
    println!(
        "Medians over the rounds. *Of plain* is the median of the ratios, within a round, to the same framework\n\
         without sessions: above 1 is better. For *CPU* it compares requests for the same processor time.\n"
    );
    println!("| server | session | requests/s | of plain | CPU per request | of plain | p99 |");
    println!("|---|---|---|---|---|---|---|");
    for variant in variants::ALL {
        let slices = results.of(variant);
        let Ratio { per_second, cpu } = results.ratio(variant, variant.reference());
        println!(
            "| {} | {} | {:.0} | {per_second:.2} | {:.1} µs | {cpu:.2} | {:.2} ms |",
            variant.server_name(),
            variant.action_name(),
            results.per_second(variant),
            median(slices.iter().map(|slice| slice.cpu)),
            median(slices.iter().map(|slice| slice.p99)) / 1000.0,
        );
    }
    print_further(results);
    print_targets(results);
}

fn print_further(results: &Results) {
    println!();
    for action in [Action::Read, Action::Written] {
        let server = Server::TowerRedis;
        let variant = Variant { server, action };
        println!(
            "- Redis itself took {:.1} µs of its core for each request that was {}",
            median(results.of(variant).iter().map(|slice| slice.redis_cpu)),
            variant.action_name()
        );
    }
    let busy = |variant: Variant| median(results.of(variant).iter().map(|slice| slice.busy));
    let idlest = variants::ALL.into_iter().min_by(|a, b| busy(*a).total_cmp(&busy(*b)));
    let idlest = idlest.expect("there are variants");
    println!(
        "- the server used its core for {:.0} % of the time or more; the least for: {}, {}",
        busy(idlest) * 100.0,
        idlest.server_name(),
        idlest.action_name()
    );
}

fn print_targets(results: &Results) {
    use Action::{Public, Read};
    let of = |server, action| Variant { server, action };
    let ours = of(Server::Sealed, Read);
    let untouched = of(Server::Sealed, Public);
    let targets = [
        ("read, of `PrivateCookieJar`'s", ours, of(Server::PrivateJar, Read), 1.0),
        (
            "read, of tower-sessions' with Redis",
            ours,
            of(Server::TowerRedis, Read),
            1.5,
        ),
        ("untouched, of plain axum", untouched, of(Server::Axum, Public), 0.97),
    ];
    println!("\n## Targets\n\n| target | at least | requests/s | CPU |\n|---|---|---|---|");
    for (name, ours, other, at_least) in targets {
        let Ratio { per_second, cpu } = results.ratio(ours, other);
        let state = |ratio: f64| {
            let state = if ratio >= at_least { "met" } else { "**missed**" };
            format!("{ratio:.3} {state}")
        };
        println!("| {name} | {at_least} | {} | {} |", state(per_second), state(cpu));
    }
}
