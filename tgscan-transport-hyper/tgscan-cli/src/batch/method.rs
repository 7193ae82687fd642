//! The question of a batch about each account.

use clap::ValueEnum;
use tgscan_core::types::{ApiMethod, GroupQuery, Search, SimilarGroups, UserCheck, UserQuery};

use crate::show::Show;

/// The question about each account of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    /// The groups that the account is known to be in; costs credits
    Search,
    /// Which facts about the account are known; free
    Check,
    /// Groups similar to the group on the line; costs credits
    Similar,
}

impl Method {
    /// Returns the value of `--method`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Check => "check",
            Self::Similar => "similar",
        }
    }
}

/// An API method that asks about one account.
pub(crate) trait Question: ApiMethod<Answer: Show> {
    /// Creates the question; `None` if it cannot be asked about this account.
    fn about(query: &UserQuery) -> Option<Self>;
}

impl Question for Search {
    fn about(query: &UserQuery) -> Option<Self> {
        Some(Self { query: query.clone() })
    }
}

impl Question for UserCheck {
    fn about(query: &UserQuery) -> Option<Self> {
        Some(Self { query: query.clone() })
    }
}

impl Question for SimilarGroups {
    fn about(query: &UserQuery) -> Option<Self> {
        match query {
            UserQuery::Username(username) => {
                GroupQuery::new(vec![username.clone()]).ok().map(|query| Self { query })
            }
            UserQuery::Id(_) => None,
        }
    }
}
