//! Orders of events that once broke a promise.

use super::events::Event;
use super::faults::Fault;
use super::promises::Broken;
use super::scenarios::{self, End, Scenario};
use super::world::{Commit, World};
use super::{Case, HashSet, RefCell};

fn replay(scenario: &Scenario, events: &[Event]) -> Result<(), Broken> {
    let case = Case { scenario, fault: Fault::None, known: &RefCell::default() };
    let mut world = World::new(case);
    for event in events {
        assert!(world.events(case).contains(event), "{event:?} cannot happen now");
        world.apply(case, *event)?;
        world.check(case, &mut HashSet::new())?;
    }
    Ok(())
}

#[test]
fn claim_in_doubt_is_given_back_although_its_question_was_answered_since() {
    let events = [
        Event::Asks(0, Commit::Done),
        Event::Sends(0),
        Event::Charges(0),
        Event::Ends(0, End::Answered),
        // The other process pays again; it never learns that it may. Then the first one stores its answer.
        Event::Passes(61_000, [true, false]),
        Event::Asks(1, Commit::InDoubt(true)),
    ];
    let scenario = Scenario { passes: &[(61_000, [true, false])], ..scenarios::ALL };
    replay(&scenario, &events).unwrap();
}
