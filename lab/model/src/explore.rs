//! Visits every state that can be reached, breadth first, so that a property fails after the fewest actions.

use std::collections::{BTreeMap, HashSet};

use crate::rotation::{Action, Property, Rotation, State};

/// The result of an exploration.
pub struct Explored {
    /// Different states, and actions that were taken in them.
    pub states: usize,
    pub actions: usize,
    /// Actions on the longest of the shortest ways to a state.
    pub depth: u32,
    /// A shortest way to a state in which a property fails, by its name.
    pub failed: BTreeMap<&'static str, Path>,
    /// A shortest way to a state that shall be reachable, by its name.
    pub reached: BTreeMap<&'static str, Path>,
    /// Whether there was nothing left to explore.
    pub is_complete: bool,
}

/// A state, and the actions that led to the next ones.
pub type Path = (State, Vec<(Action, State)>);

struct Node {
    state: State,
    /// The state before, and the action that was taken there.
    parent: Option<(usize, Action)>,
    depth: u32,
}

/// Explores everything, or until the property of this name fails.
pub fn explore(model: &mut Rotation, until: Option<&'static str>) -> Explored {
    let mut nodes: Vec<Node> = Vec::new();
    let mut known: HashSet<State> = HashSet::new();
    for state in model.first() {
        known.insert(state.clone());
        nodes.push(Node {
            state,
            parent: None,
            depth: 0,
        });
    }
    let mut explored = Explored {
        states: 0,
        actions: 0,
        depth: 0,
        failed: BTreeMap::new(),
        reached: BTreeMap::new(),
        is_complete: false,
    };
    let properties = model.properties();
    let mut next = 0;
    while next < nodes.len() {
        let state = nodes[next].state.clone();
        explored.depth = nodes[next].depth;
        for property in &properties {
            let (name, found, is_found) = match *property {
                Property::Always(name, holds) => (name, &mut explored.failed, !holds(model, &state)),
                Property::Sometimes(name, holds) => (name, &mut explored.reached, holds(model, &state)),
            };
            if is_found {
                found.entry(name).or_insert_with(|| path(&nodes, next));
            }
        }
        if until.is_some_and(|name| explored.failed.contains_key(name)) {
            explored.states = nodes.len();
            return explored;
        }
        for action in model.actions(&state) {
            explored.actions += 1;
            let after = model.after(&state, action);
            if known.insert(after.clone()) {
                let depth = explored.depth + 1;
                nodes.push(Node {
                    state: after,
                    parent: Some((next, action)),
                    depth,
                });
            }
        }
        next += 1;
    }
    explored.states = nodes.len();
    explored.is_complete = true;
    explored
}

fn path(nodes: &[Node], mut last: usize) -> Path {
    let mut steps = Vec::new();
    while let Some((parent, action)) = nodes[last].parent {
        steps.push((action, nodes[last].state.clone()));
        last = parent;
    }
    steps.reverse();
    (nodes[last].state.clone(), steps)
}
