//! A struct that owns a `Client`: over a real transport in production, over the mock in tests.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use tgscan_mock::core::{Client, Error};
use tgscan_mock::types::UserQuery;

/// Your code, without generics, `cfg` or other support for tests.
pub struct Directory {
    client: Client,
}

impl Directory {
    /// Creates a directory that uses this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Returns the titles of the groups that an account is known to be in, in alphabetical order.
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
    // The only difference: `mock.client()` in place of `HyperTransport::builder().build()?.client(api)`.
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
    fn titles_are_sorted_and_requested_once() {
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
