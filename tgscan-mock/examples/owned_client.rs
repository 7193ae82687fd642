//! A struct that owns a `Client`: production hands in one over a real transport, a test one over the mock.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use tgscan_mock::core::{Client, Error};
use tgscan_mock::types::UserQuery;

/// Your code: no generics, no `cfg`, nothing that knows of tests.
pub struct Directory {
    client: Client,
}

impl Directory {
    /// A directory that asks through this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Titles of the groups that an account is known to be in, in alphabetical order.
    ///
    /// # Errors
    /// If the search fails.
    pub async fn titles(&self, who: UserQuery) -> Result<Vec<String>, Error> {
        let mut titles: Vec<String> =
            self.client.search(who).await?.answer.groups.into_iter().map(|group| group.title).collect();
        titles.sort();
        Ok(titles)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The one line: `HyperTransport::builder().build()?.client(api)` becomes `mock.client()`.
    let directory = Directory::new(tgscan_mock::Mock::new().client());
    let titles = futures_executor::block_on(directory.titles("some_username".parse()?))?;
    println!("{} groups", titles.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;
    use tgscan_mock::types::{Search, SearchAnswer, SearchGroup};
    use tgscan_mock::{Expect, Mock};

    use super::*;

    #[test]
    fn titles_are_sorted_and_asked_for_once() {
        let mock = Mock::new();
        let mut answer = SearchAnswer::default();
        answer.groups =
            vec![SearchGroup::new(-1001, "b").with_username("group_b"), SearchGroup::new(-1002, "a")];
        let query: UserQuery = "some_username".parse().unwrap();
        mock.expect(Expect::call(&Search { query: query.clone() }).then_answer(answer));

        let titles = block_on(Directory::new(mock.client()).titles(query)).unwrap();
        assert_eq!(titles, ["a", "b"]);
        mock.verify().unwrap();
    }
}
