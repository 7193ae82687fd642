//! A property test: your code against every answer that the service may give, the unpleasant ones included.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use tgscan_mock::data::{Generate, Profile, sample};
use tgscan_mock::types::{Search, SearchAnswer};

/// Your code: one line of text about an account, safe to print.
pub fn summary(answer: &SearchAnswer) -> String {
    let name = answer.user.as_ref().and_then(|user| user.username.as_deref()).unwrap_or("(no username)");
    let line = format!("{name}: {} groups", answer.meta.known_num_groups);
    // Names are whatever people typed; without this, one could forge a second line.
    line.chars().filter(|c| !c.is_control()).collect()
}

fn main() {
    println!("{}", summary(&sample(&Search::answers(Profile::Typical), 7)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_summary_is_one_line_and_ends_with_the_count(answer in Search::answers(Profile::Extreme)) {
            let line = summary(&answer);
            prop_assert!(line.lines().count() == 1);
            prop_assert!(line.ends_with(" groups"), "{}", line);
        }

        // A field is pinned with `prop_map`; the rest stays random.
        #[test]
        fn an_account_without_a_username_says_so(
            answer in Search::answers(Profile::Typical).prop_map(|mut answer| {
                answer.user.get_or_insert_default().username = None;
                answer
            })
        ) {
            prop_assert!(summary(&answer).starts_with("(no username)"));
        }
    }
}
