//! Generates the table of API methods.

use tgscan_types::registry::MethodInfo;

/// The source file of the typed methods of `Client`.
pub(super) const CLIENT: &str = "tgscan-core/src/client/mod.rs";

/// Generates the table from the registry and the source of `Client`.
pub(super) fn table(client: &str) -> String {
    let rows = tgscan_types::registry::infos().iter().map(|method| row(method, client)).collect::<String>();
    format!(
        "| API method | on `Client` | request | live path | test path | can cost credits |\n\
         |---|---|---|---|---|---|\n{rows}"
    )
}

fn row(method: &MethodInfo, client: &str) -> String {
    let request = type_name(method.name);
    // API methods without a method on `Client` use `send`.
    let call = client_method(client, &request).unwrap_or("send");
    let test_path = method.test_path.map_or("none".into(), |path| format!("`{path}`"));
    let cost = if method.can_cost { "yes" } else { "no" };
    format!("| `{}` | `{call}` | `{request}` | `{}` | {test_path} | {cost} |\n", method.name, method.path)
}

/// Returns the request type of an API method: its name in upper camel case.
fn type_name(name: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('_').filter(|word| !word.is_empty()).map(capital).collect()
}

/// Returns the method of `Client` that sends a request type.
fn client_method<'a>(client: &'a str, request: &str) -> Option<&'a str> {
    let sends = [format!("self.send({request} {{"), format!("|query| {request} {{")];
    let methods = client.split("pub fn ").skip(1);
    methods
        .filter(|method| sends.iter().any(|sends| method.contains(sends)))
        .find_map(|method| method.split(['(', '<']).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_method_has_its_own_on_client() {
        let client = std::fs::read_to_string(crate::root().join(CLIENT)).unwrap();
        for (name, method) in [
            ("search", "search"),
            ("balance", "balance"),
            ("similar_groups", "similar_groups"),
            ("user_check", "user_check"),
        ] {
            assert_eq!(client_method(&client, &type_name(name)), Some(method));
        }
    }

    #[test]
    fn row_has_both_paths_and_the_cost() {
        let table = table("pub fn find<T>(&self) { self.send(Search { query }) }");
        assert!(table.contains(
            "| `search` | `find` | `Search` | `/tgscan/v1/search` | `/tgscan/v1/test/search` | yes |\n"
        ));
        assert!(table.contains("| `balance` | `send` | `Balance` | `/tgscan/v1/balance` | none | no |\n"));
    }
}
