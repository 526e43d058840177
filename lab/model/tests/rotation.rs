//! One rotation in every order.

use model::explore::explore;
use model::procedure::{Procedure, THREE, TWO};
use model::rotation::{Property, Rotation};
use model::trace;

#[track_caller]
fn assert_holds(procedure: Procedure, minutes: u32, least_states: usize) {
    let mut model = Rotation::new(procedure, minutes * 60);
    let explored = explore(&mut model, None);
    println!("{}: {} states", model.procedure.name, explored.states);
    if let Some((name, path)) = explored.failed.first_key_value() {
        panic!("does not hold: {name}\n{}", trace::write(&model, path));
    }
    for property in model.properties() {
        if let Property::Sometimes(name, _) = property {
            assert!(explored.reached.contains_key(name), "never reached: {name}");
        }
    }
    assert!(
        explored.is_complete && explored.states > least_states,
        "{}",
        explored.states
    );
}

#[test]
fn two_servers_that_promote_at_once_refuse_no_visitor() {
    assert_holds(Procedure::at_once(TWO), 60, 200_000);
}

#[test]
fn two_servers_that_promote_from_a_time_refuse_no_visitor() {
    assert_holds(Procedure::from_instant(TWO), 45, 200_000);
}

#[test]
fn two_servers_that_rotate_in_one_deploy_refuse_no_visitor() {
    assert_holds(Procedure::one_deploy(TWO), 60, 200_000);
}

#[test]
fn three_servers_that_promote_at_once_refuse_no_visitor() {
    assert_holds(Procedure::at_once(THREE), 35, 200_000);
}

#[test]
fn three_servers_that_rotate_in_one_deploy_refuse_no_visitor() {
    assert_holds(Procedure::one_deploy(THREE), 35, 50_000);
}

#[test]
fn two_servers_that_rotate_by_the_command_refuse_no_visitor() {
    assert_holds(Procedure::by_command(TWO), 45, 200_000);
}

#[test]
fn two_servers_that_rotate_in_one_deploy_by_the_command_refuse_no_visitor() {
    assert_holds(Procedure::by_command_in_one_deploy(TWO), 60, 100_000);
}

#[test]
fn every_shortcut_is_found_out() {
    for procedure in Procedure::shortcuts() {
        let breaks = procedure.breaks.expect("a shortcut breaks a property");
        let mut model = Rotation::new(procedure, 60 * 60);
        let explored = explore(&mut model, Some(breaks));
        let name = model.procedure.name;
        let path = explored
            .failed
            .get(breaks)
            .unwrap_or_else(|| panic!("the shortcut broke nothing: {name}"));
        let trace = trace::write(&model, path);
        println!("{name}\n{trace}");
        let last = trace.lines().last().expect("a line");
        assert!(
            last.contains("REFUSED") || last.contains("SEALED AGAIN"),
            "{name}: {last}"
        );
    }
}
