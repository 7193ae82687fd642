//! Clocks that were wrong.

use std::time::Duration;

use futures_executor::block_on;
use tgscan_core::{Budget, Period, Reserve};

use crate::support::{Subject, mock, with_each_store};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

fn clock_that_was_a_year_ahead_for_one_call_leaves_its_budget_usable(open: fn() -> Subject) {
    for period in [Period::Day, Period::Month] {
        let (subject, mock) = (open(), mock());
        let client = subject.client(&mock).with_budget(Budget::new("team", 8, period, Reserve::PerCall(2)));
        let search = |name: &str| block_on(client.search(name)).map(|reply| reply.credits.charged());
        let charged = || block_on(subject.account().book()).unwrap().budget("team", period).charged;
        assert_eq!(search("alice_1").unwrap(), 2);
        subject.clock.advance(YEAR);
        assert_eq!(search("bob_1").unwrap(), 2);
        subject.clock.set_back(YEAR);
        assert_eq!(search("carol_1").unwrap(), 2);
        assert_eq!(charged(), 6, "{}", subject.name);
        assert_eq!(search("david_1").unwrap(), 2);
        assert!(search("emily_1").unwrap_err().is_cap_reached());
        subject.clock.advance(Duration::from_secs(40 * 24 * 3600));
        assert_eq!((search("emily_1").unwrap(), charged()), (2, 2), "{}", subject.name);
    }
}

with_each_store! {
    clock_that_was_a_year_ahead_for_one_call_leaves_its_budget_usable,
}
