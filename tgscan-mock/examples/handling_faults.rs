//! Your own handling of faults: what the caller sees when a call was perhaps charged, and nothing came back.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use tgscan_mock::core::{Client, Credits};
use tgscan_mock::types::UserQuery;

/// What your service tells its own users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// In so many groups.
    Found(u64),
    /// Nothing was paid: try again at will.
    TryAgain,
    /// Perhaps paid: somebody should look before it is asked again.
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
    println!("{status:?}, and {} credit is gone", mock.account().spent);
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
    fn money_that_is_gone_is_never_called_unspent() {
        // Every fault there is, one after the other.
        for fault in Fault::all(1000) {
            let mock = Mock::builder().max_body_size(1000).build().unwrap();
            // So often that retries meet it too.
            mock.script_any(vec![fault.clone(); 20]);
            let status = block_on(look_up(&mock.client(), "some_username".parse().unwrap()));
            let spent = mock.account().spent;
            assert!(spent <= 1, "{fault:?} was paid for {spent} times");
            assert!(status != Status::TryAgain || spent == 0, "{fault:?}");
        }
    }

    #[test]
    fn each_fault_says_what_a_right_client_makes_of_it() {
        let mock = Mock::new();
        let request = tgscan_mock::core::Api::new(mock.live_key())
            .request(&tgscan_mock::types::Search { query: "some_username".parse().unwrap() });
        let outcome = mock.respond_with(&request, Some(&tgscan_mock::FaultKind::Refuse.into()));
        assert!(matches!((outcome.wire, outcome.class), (Wire::Refused, Class::NeverSent)));
    }
}
