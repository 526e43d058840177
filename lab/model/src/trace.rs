//! A way through the model as an operator reads it.

use std::fmt::Write as _;

use crate::explore::Path;
use crate::fleet::Fault;
use crate::rotation::{Action, Rotation, State};
use crate::server::{Visit, clock};

fn name(server: usize) -> char {
    ['A', 'B', 'C'][server]
}

/// One line per action. The passing of time has no line: each line begins with the time.
pub fn write(model: &Rotation, (first, steps): &Path) -> String {
    let mut text = String::new();
    let mut before = first;
    for (action, after) in steps {
        if let Some(line) = line(model, before, *action, after) {
            // Writing into a `String` cannot fail.
            let _ = writeln!(text, "  {}  {line}", clock(before.now));
        }
        before = after;
    }
    text
}

fn line(model: &Rotation, before: &State, action: Action, after: &State) -> Option<String> {
    let ring = |state: &State, step| model.ring(step, state.from);
    Some(match action {
        Action::Wait => return None,
        Action::Draft { from } => format!("the operator lets the new secret seal from {}", clock(from)),
        Action::Publish { .. } => format!("the operator publishes {}", ring(after, after.step)),
        Action::Deploy(server) => format!("server {} has {}", name(server), ring(after, after.servers[server])),
        Action::FallBack(server) => format!(
            "server {} restarts with {}",
            name(server),
            ring(after, after.servers[server])
        ),
        Action::Visit(server, visit) => {
            let does = match visit {
                Visit::SignIn | Visit::SignInRemembered => "signs in",
                Visit::Read => "reads",
                Visit::Write => "writes",
                Visit::SignOut => "signs out",
            };
            let at = clock(before.now + model.clocks(before)[server]);
            let visitor = after.visitor.map_or("no session".to_owned(), |visitor| {
                format!(
                    "session under {}, activity under {}",
                    visitor.session.secret, visitor.activity.secret
                )
            });
            let ends = match after.fault {
                Some(Fault::Refused(reason)) => format!("REFUSED, {}: {visitor}", reason.name()),
                Some(Fault::Outlived) => format!("ACCEPTED after its end: {visitor}"),
                Some(Fault::Misdated) => format!("MISDATED: {visitor}"),
                None if after.turns > before.turns => format!("SEALED AGAIN: {visitor}"),
                None => visitor,
            };
            format!(
                "the visitor {does} at server {}, whose clock shows {at}: {ends}",
                name(server)
            )
        }
    })
}
