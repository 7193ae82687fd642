//! Checks that the promises hold in every state of every scenario.

use super::fault::Fault;
use super::scenarios::{self, Scenario};
use super::{Order, explore};

fn assert_promises_hold(scenario: &Scenario) {
    let is_limited = scenario.max_states < usize::MAX;
    let order = if is_limited { Order::BreadthFirst } else { Order::DepthFirst };
    let violation = match explore(scenario, Fault::None, order) {
        Ok(states) => return println!("{scenario}: {states} states"),
        Err(violation) => violation,
    };
    let shortest = explore(scenario, Fault::None, Order::BreadthFirst).err().unwrap_or(violation);
    panic!("{scenario}: {shortest}");
}

#[test]
fn promises_hold_if_a_process_is_suspended() {
    assert_promises_hold(&scenarios::SUSPENDED);
}

#[test]
fn promises_hold_if_a_process_compares() {
    assert_promises_hold(&scenarios::COMPARED);
}

#[test]
fn promises_hold_if_a_budget_ends_at_midnight() {
    assert_promises_hold(&scenarios::MIDNIGHT);
}

#[test]
fn promises_hold_if_commits_are_in_doubt() {
    assert_promises_hold(&scenarios::IN_DOUBT);
}

#[test]
fn promises_hold_if_credits_are_bought() {
    assert_promises_hold(&scenarios::PURCHASE);
}

#[test]
fn promises_hold_if_prices_are_unknown() {
    assert_promises_hold(&scenarios::UNPRICED);
}

#[test]
fn promises_hold_if_calls_are_resolved_by_hand() {
    assert_promises_hold(&scenarios::RESOLVED);
}

#[test]
fn promises_hold_if_callers_share_a_cap() {
    assert_promises_hold(&scenarios::CAP);
}

#[test]
fn promises_hold_if_attempts_wait_for_their_turn() {
    assert_promises_hold(&scenarios::POSTPONED);
}

#[test]
fn promises_hold_if_all_events_combine() {
    assert_promises_hold(&scenarios::ALL);
}
