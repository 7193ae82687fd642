//! Costs of API methods, also in configuration files and in the server's control paths.

use std::collections::BTreeMap;

#[cfg(feature = "server")]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
#[cfg(feature = "server")]
use serde_json::{Map, json};
#[cfg(feature = "server")]
use tgscan_core::types::registry::infos;

use super::object::from_object;
#[cfg(feature = "server")]
use super::route;

/// Number of groups in an answer that cost one more credit.
const GROUPS_PER_CREDIT: u64 = 50;

/// The cost of an API method.
// Without `Debug`, which would show the queries.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(JsonSchema))]
#[serde(deny_unknown_fields, remote = "Self")]
#[doc(hidden)]
pub struct MethodCost {
    /// Cost of other queries. Without it, they cost 1, and one more for each 50 groups in the answer. In a change, null
    /// keeps the cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usual: Option<u64>,
    /// Costs by query, e.g. `alice`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    queries: BTreeMap<String, u64>,
}

from_object!(MethodCost);

impl Serialize for MethodCost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

pub(super) type Costs = BTreeMap<&'static str, MethodCost>;

impl MethodCost {
    pub(super) fn set_query(&mut self, form: &str, credits: u64) {
        self.queries.insert(query(form), credits);
    }

    /// Returns the cost of a form whose answer has this number of groups.
    pub(super) fn of(&self, form: &str, num_groups: u64) -> u64 {
        let usual = || self.usual.unwrap_or(1 + num_groups / GROUPS_PER_CREDIT);
        if self.queries.is_empty() {
            usual()
        } else {
            self.queries.get(&query(form)).copied().unwrap_or_else(usual)
        }
    }
}

fn query(form: &str) -> String {
    form_urlencoded::parse(form.as_bytes()).map(|(_, value)| value).collect()
}

/// Sets the costs of methods, or returns an error for the first invalid one.
#[cfg(feature = "server")]
pub(super) fn set(costs: &mut Costs, given: &BTreeMap<String, MethodCost>) -> Result<(), String> {
    for (name, change) in given {
        let route = route::checked(name).map_err(|why| format!("costs.{name}: {why}"))?;
        // All paid methods have an entry.
        let Some(cost) = costs.get_mut(route.info.name) else {
            return Err(format!("costs.{name}: this method is free"));
        };
        cost.usual = change.usual.or(cost.usual);
        for (query, credits) in &change.queries {
            let form = route.form_of(query).map_err(|why| format!("costs.{name}.queries: {why}"))?;
            cost.set_query(&form, *credits);
        }
    }
    Ok(())
}

/// Returns the schema of the costs by API method.
#[cfg(feature = "server")]
pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    let cost = json!(generator.subschema_for::<MethodCost>());
    let paid = infos().into_iter().filter(|method| method.can_cost);
    let properties: Map<_, _> = paid.map(|method| (method.name.to_owned(), cost.clone())).collect();
    json_schema!({ "type": "object", "additionalProperties": false, "properties": properties })
}
