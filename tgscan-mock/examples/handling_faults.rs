//! Handling faults: the result for the caller when a call may have been charged without an answer.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use tgscan_mock::core::{Client, Credits};
use tgscan_mock::types::UserQuery;

/// The result that your service returns to its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The number of groups.
    Found(u64),
    /// Not charged: the user can try again.
    TryAgain,
    /// May be charged: a person should check before it is repeated.
    Unclear,
}

/// Your code.
pub async fn look_up(client: &Client, who: UserQuery) -> Status {
    match client.search(who).await {
        Ok(reply) => Status::Found(reply.answer.meta.known_num_groups),
        Err(error) if error.credits() == Credits::NotCharged => Status::TryAgain,
        Err(_) => Status::Unclear,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    use tgscan_mock::{Fault, FaultKind, Mock};

    let mock = Mock::new();
    mock.script_any([Fault::new(FaultKind::Reset).charged()]);
    let status = futures_executor::block_on(look_up(&mock.client(), "some_username".parse()?));
    println!("{status:?}, and {} credit was charged", mock.account().spent);
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;
    use tgscan_mock::{
        Fault, Mock,
        outcome::{Class, Wire},
    };

    use super::*;

    #[test]
    fn charged_calls_are_never_reported_as_not_charged() {
        // Every fault, one after the other.
        for fault in Fault::all(1000) {
            let mock = Mock::builder().max_body_size(1000).build().unwrap();
            // Enough times to affect the retries too.
            mock.script_any(vec![fault.clone(); 20]);
            let status = block_on(look_up(&mock.client(), "some_username".parse().unwrap()));
            let spent = mock.account().spent;
            assert!(spent <= 1, "{fault:?} was charged {spent} times");
            assert!(status != Status::TryAgain || spent == 0, "{fault:?}");
        }
    }

    #[test]
    fn each_fault_states_the_result_of_a_correct_client() {
        let mock = Mock::new();
        let request = tgscan_mock::core::Api::new(mock.live_key())
            .request(&tgscan_mock::types::Search { query: "some_username".parse().unwrap() });
        let outcome = mock.respond_with(&request, Some(&tgscan_mock::FaultKind::Refuse.into()));
        assert!(matches!((outcome.wire, outcome.class), (Wire::Refused, Class::NeverSent)));
    }
}
