//! Costs in configuration files and in the server's control paths.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use tgscan_core::types::ApiMethod;
use tgscan_core::types::registry::{MethodVisitor, infos, visit_all};

use super::account::Cost;
use super::check;
use super::object::from_object;

/// The cost of an API method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
#[doc(hidden)]
pub struct MethodCost {
    /// Cost without regard to the answer.
    usual: Option<u64>,
    /// Number of groups in the answer that cost one more credit.
    groups_per_credit: Option<NonZeroU64>,
    /// Costs by query, e.g. `alice`.
    #[serde(default)]
    queries: BTreeMap<String, u64>,
}

from_object!(MethodCost);

/// The current cost of an API method.
#[derive(Serialize, JsonSchema)]
pub(super) struct CurrentCost {
    /// Cost without regard to the answer.
    usual: u64,
    /// Number of groups in the answer that cost one more credit.
    groups_per_credit: Option<NonZeroU64>,
    /// Costs by query, e.g. `alice`.
    queries: BTreeMap<String, u64>,
}

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

/// Returns the costs of all methods.
pub(super) fn current(costs: &HashMap<&'static str, Cost>) -> BTreeMap<String, CurrentCost> {
    let query = |(form, credits): (&String, &u64)| {
        let query = form_urlencoded::parse(form.as_bytes()).map(|(_, query)| query.into_owned()).collect();
        (query, *credits)
    };
    let cost = |cost: &Cost| CurrentCost {
        usual: cost.usual,
        groups_per_credit: cost.groups_per_credit,
        queries: cost.by_form.iter().map(query).collect(),
    };
    costs.iter().map(|(method, of)| ((*method).to_owned(), cost(of))).collect()
}

/// Returns the schema of the costs by API method.
pub(super) fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let cost = generator.subschema_for::<T>();
    let paid = infos().into_iter().filter(|method| method.can_cost);
    let properties: Map<_, _> = paid.map(|method| (method.name.to_owned(), json!(cost))).collect();
    json_schema!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// Returns the form of a query as the SDK writes it.
fn form<M: ApiMethod>(query: &str) -> Result<String, String> {
    let body = serde_html_form::to_string([("query", query)]).map_err(|error| error.to_string())?;
    check::form::<M>(body.as_bytes()).map(|(_, form)| form).map_err(|refusal| refusal.message)
}
