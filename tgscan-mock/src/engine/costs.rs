//! Costs in configuration files and in the server's control paths.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tgscan_core::types::ApiMethod;
use tgscan_core::types::registry::{MethodVisitor, infos, visit_all};

use super::account::Cost;
use super::check;
use super::object::from_object;

/// The cost of an API method, read from TOML or JSON.
///
/// ```
/// use std::collections::BTreeMap;
/// use tgscan_mock::{MethodCost, Mock};
///
/// let costs: BTreeMap<String, MethodCost> =
///     serde_json::from_str(r#"{"search": {"usual": 2, "queries": {"alice": 9}}}"#)?;
/// let mock = Mock::builder().costs(&costs)?.build()?;
///
/// let wrong = BTreeMap::from([("user_check".to_owned(), MethodCost::default())]);
/// assert_eq!(Mock::builder().costs(&wrong).unwrap_err().to_string(), "costs.user_check: this method is free");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct MethodCost {
    /// The cost without regard to the answer.
    usual: Option<u64>,
    /// Adds one credit for each of this number of groups in the answer.
    groups_per_credit: Option<NonZeroU64>,
    /// Costs by query.
    #[serde(default)]
    queries: BTreeMap<String, u64>,
}

from_object!(MethodCost);

/// Sets the costs of methods, or returns an error for the first invalid one.
pub(super) fn set(
    costs: &mut HashMap<&'static str, Cost>,
    given: &BTreeMap<String, MethodCost>,
) -> Result<(), String> {
    let infos = infos();
    for name in given.keys() {
        match infos.iter().find(|method| method.name == name) {
            Some(method) if method.can_cost => {}
            Some(_) => return Err(format!("costs.{name}: this method is free")),
            None => {
                let paid: Vec<&str> = infos.iter().filter(|m| m.can_cost).map(|m| m.name).collect();
                let paid = paid.join(", ");
                return Err(format!("costs.{name}: unknown method; the paid methods are {paid}"));
            }
        }
    }
    let mut visitor = Set { costs, given, result: Ok(()) };
    visit_all(&mut visitor);
    visitor.result
}

struct Set<'a> {
    costs: &'a mut HashMap<&'static str, Cost>,
    given: &'a BTreeMap<String, MethodCost>,
    result: Result<(), String>,
}

impl MethodVisitor for Set<'_> {
    fn visit<M: ApiMethod>(&mut self) {
        let (Some(given), Ok(())) = (self.given.get(M::NAME), &self.result) else { return };
        let cost = self.costs.entry(M::NAME).or_default();
        if let Some(usual) = given.usual {
            (cost.usual, cost.groups_per_credit) = (usual, None);
        }
        cost.groups_per_credit = given.groups_per_credit.or(cost.groups_per_credit);
        for (query, credits) in &given.queries {
            match form::<M>(query) {
                Ok(form) => _ = cost.by_form.insert(form, *credits),
                Err(why) => {
                    self.result = Err(format!("costs.{}.queries: {why}", M::NAME));
                    return;
                }
            }
        }
    }
}

/// Writes the costs of all methods as [`MethodCost`]s.
pub(super) fn to_json(costs: &HashMap<&'static str, Cost>) -> Value {
    let query = |form: &str| {
        form_urlencoded::parse(form.as_bytes()).map(|(_, query)| query.into_owned()).collect::<String>()
    };
    let json = |cost: &Cost| {
        let queries: Map<_, _> =
            cost.by_form.iter().map(|(form, credits)| (query(form), (*credits).into())).collect();
        json!({ "usual": cost.usual, "groups_per_credit": cost.groups_per_credit, "queries": queries })
    };
    costs.iter().map(|(method, cost)| ((*method).to_owned(), json(cost))).collect::<Map<_, _>>().into()
}

/// Returns the form of a query as the SDK writes it.
fn form<M: ApiMethod>(query: &str) -> Result<String, String> {
    let body = serde_html_form::to_string([("query", query)]).map_err(|error| error.to_string())?;
    check::form::<M>(body.as_bytes()).map(|(_, form)| form).map_err(|refusal| refusal.message)
}
