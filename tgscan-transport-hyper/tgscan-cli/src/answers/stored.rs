//! Answers in the store.

use std::time::{Duration, SystemTime};

use tgscan_core::Api;
use tgscan_core::http::Response;
use tgscan_core::store::{Account, CallState, Selection};
use tgscan_core::types::{ApiMethod, Search, SearchAnswer, UserQuery};

use crate::args::Global;
use crate::connect;
use crate::exit::Failure;

/// The number of calls per read.
const PAGE: usize = 500;

/// The account of a store, to read from.
pub(crate) struct Stored {
    account: Account,
    api: Api,
    /// The store's time, in milliseconds since 1970.
    now: u64,
}

/// The latest stored answer about an account.
pub(super) enum Latest {
    Answer(SystemTime, Box<SearchAnswer>),
    Unreadable,
    Missing,
}

impl Stored {
    /// Opens the store in effect. Without one, or without its file, this is an error if `is_needed`.
    pub(crate) async fn open(global: &Global, is_needed: bool) -> Result<Option<Self>, Failure> {
        if global.store.is_none() && !is_needed {
            return Ok(None);
        }
        let account = connect::account(global).await?;
        let now = account.store().read(account.name(), Selection::Account).await?.now;
        Ok(Some(Self { account, api: connect::keyless_api(global)?, now }))
    }

    /// Returns the accounts with a stored answer, in the order in which they were first asked about.
    pub(super) async fn accounts(&self) -> Result<Vec<UserQuery>, Failure> {
        let mut accounts = Vec::new();
        let mut after = 0;
        loop {
            let page = self.account.calls(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(accounts) };
            after = last.id;
            for call in &page {
                let Some(question) = &call.question else { continue };
                let is_search = question.method == Search::NAME
                    && question.is_live == (self.api.key_kind() == tgscan_core::KeyKind::Live);
                if is_search && call.state() == CallState::Answered {
                    accounts
                        .extend(question.form.strip_prefix("query=").and_then(|query| query.parse().ok()));
                }
            }
        }
    }

    /// Iterates over the answers about an account that are not due for removal, latest first. An unreadable one is `None`.
    pub(crate) async fn history(
        &self,
        query: &UserQuery,
    ) -> Result<impl Iterator<Item = Option<(SystemTime, SearchAnswer)>>, Failure> {
        let method = Search { query: query.clone() };
        let stored = self.account.history(&connect::question(&self.api, &method)).await?;
        let kept = stored.into_iter().filter(|(call, _)| call.due_at().is_none_or(|due| due > self.now));
        Ok(kept.map(move |(_, answer)| {
            let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(answer.at))?;
            let reply = self.api.parse(&method, Response::new(answer.body)).ok()?;
            (!reply.is_mismatched()).then_some((at, reply.answer))
        }))
    }

    /// Returns the latest readable answer about an account.
    pub(super) async fn latest(&self, query: &UserQuery) -> Result<Latest, Failure> {
        let mut latest = Latest::Missing;
        for answer in self.history(query).await? {
            match answer {
                Some((at, answer)) => return Ok(Latest::Answer(at, Box::new(answer))),
                None => latest = Latest::Unreadable,
            }
        }
        Ok(latest)
    }
}
