//! Regression tests: sequences of events that once broke a promise.

use super::events::Event;
use super::fault::Fault;
use super::promise::BrokenPromise;
use super::scenarios::{self, End, Scenario};
use super::world::{Commit, World};
use super::{Case, HashSet, RefCell};

fn replay(scenario: &Scenario, events: &[Event]) -> Result<(), BrokenPromise> {
    let case = Case { scenario, fault: Fault::None, known: &RefCell::default() };
    let mut world = World::new(case);
    for event in events {
        assert!(world.events(case).contains(event), "{event:?} is not possible now");
        world.apply(case, *event)?;
        world.check(case, &mut HashSet::new())?;
    }
    Ok(())
}

#[test]
fn claim_in_doubt_is_released_although_its_question_was_answered_since() {
    let events = [
        Event::Asks(0, Commit::Done),
        Event::Sends(0),
        Event::Charges(0),
        Event::AttemptEnds(0, End::Answered),
        // The other process may pay again, but the commit of its claim is in doubt. Then the first one stores its answer.
        Event::TimePasses(61_000, [true, false]),
        Event::Asks(1, Commit::InDoubt(true)),
    ];
    let scenario = Scenario { passes: &[(61_000, [true, false])], ..scenarios::ALL };
    replay(&scenario, &events).unwrap();
}
