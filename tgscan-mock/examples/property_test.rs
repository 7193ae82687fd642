//! A property test: your code against every valid answer, including unusual ones.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use tgscan_mock::data::{Generate, Profile, sample};
use tgscan_mock::types::{Search, SearchAnswer};

/// Your code: formats an account as one line that is safe to print.
pub fn summary(answer: &SearchAnswer) -> String {
    let name = answer.user.as_ref().and_then(|user| user.username.as_deref()).unwrap_or("(no username)");
    let line = format!("{name}: {} groups", answer.meta.known_num_groups);
    // Names are typed by users; a control character could start a second line.
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

        // `prop_map` sets a field, and the rest stays random.
        #[test]
        fn a_summary_shows_a_missing_username(
            answer in Search::answers(Profile::Typical).prop_map(|mut answer| {
                answer.user.get_or_insert_default().username = None;
                answer
            })
        ) {
            prop_assert!(summary(&answer).starts_with("(no username)"));
        }
    }
}
