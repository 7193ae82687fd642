//! Search answers of three sizes, and the types that a user of plain serde would write.

use bytes::Bytes;
use serde::Deserialize;
use tgscan_core::types::{Envelope, SearchAnswer, SearchGroup};

/// Groups in an answer of about 0.8 KB, 11 KB and 1 MB.
pub const SIZES: [usize; 3] = [5, 100, 10_000];

/// Returns a search answer with this many groups.
pub fn answer(groups: usize) -> SearchAnswer {
    let mut answer = SearchAnswer::default();
    let user = answer.user.get_or_insert_default();
    user.id = 13_212_122;
    user.username = Some("some_username".into());
    user.first_name = "Ada".into();
    answer.meta.search_query = "some_username".into();
    answer.meta.known_num_groups = 14;
    answer.meta.num_groups = groups as u64;
    answer.meta.op_cost = 1;
    answer.groups = (0..groups).map(group).collect();
    answer
}

fn group(number: usize) -> SearchGroup {
    let mut group = SearchGroup::default();
    group.id = Some(1_021_017_302 + i64::try_from(number).unwrap_or_default());
    group.username = Some("urban_market".into());
    group.title = "Flat hunters of the city".into();
    group.date_updated = "2024-09-15".into();
    group
}

/// Returns the answer in its envelope, with `status` first, as documented.
pub fn status_first(groups: usize) -> Bytes {
    serde_json::to_vec(&Envelope::Ok(answer(groups))).expect("answers serialise").into()
}

/// Returns the answer in its envelope, with `result` first.
pub fn result_first(groups: usize) -> Bytes {
    let result = serde_json::to_string(&answer(groups)).expect("answers serialise");
    format!(r#"{{"result":{result},"status":"ok"}}"#).into()
}

/// The baseline: a derived struct around the SDK's own types.
#[derive(Debug, Deserialize)]
pub struct Plain {
    pub status: Status,
    pub result: SearchAnswer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    Error,
}

/// An adjacently tagged enum, which distinguishes errors.
#[derive(Debug, Deserialize)]
#[serde(tag = "status", content = "result", rename_all = "lowercase")]
pub enum Tagged {
    Ok(SearchAnswer),
    Error { message: String },
}
