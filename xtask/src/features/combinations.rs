//! Which combinations of features there are.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

/// Features that are on together, without those that another one turns on anyway.
pub(super) type Combination = Vec<String>;

/// All features but `default`, each with those of the same package that it turns on.
pub(super) struct Features(BTreeMap<String, BTreeSet<String>>);

impl Features {
    pub(super) fn read(manifest: &str) -> Result<Self, String> {
        let manifest: Table = manifest.parse().map_err(|error| format!("cannot be read: {error}"))?;
        let table = manifest.get("features").and_then(Value::as_table).ok_or("has no [features]")?;
        let turns_on = |name: &str| -> Vec<String> {
            let list = table.get(name).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str)
                .filter(|other| table.contains_key(*other))
                .map(str::to_owned)
                .collect()
        };
        let names = table.keys().filter(|name| *name != "default");
        Ok(Self(names.map(|name| (name.clone(), reached(name, &turns_on))).collect()))
    }

    /// Every subset, the empty one and all of them too; of those that come to the same, one.
    pub(super) fn combinations(&self) -> Vec<Combination> {
        let subsets = self.0.keys().fold(vec![BTreeSet::new()], |subsets, feature| {
            let with = subsets.iter().map(|subset: &BTreeSet<String>| {
                subset.iter().chain([feature]).cloned().collect::<BTreeSet<String>>()
            });
            subsets.iter().cloned().chain(with).collect()
        });
        let closed = subsets.iter().map(|subset| self.with_all_they_turn_on(subset));
        // Small ones first: what they break is the easiest to understand.
        let distinct: BTreeSet<(usize, BTreeSet<String>)> = closed.map(|all| (all.len(), all)).collect();
        distinct.into_iter().map(|(_, all)| self.named(&all)).collect()
    }

    /// None, each alone, and every two of them: where code depends on more than one feature, it is mostly on two.
    pub(super) fn pairs(&self) -> Vec<Combination> {
        self.combinations().into_iter().filter(|on| on.len() <= 2).collect()
    }

    /// None, and each alone, besides the one that is needed.
    pub(super) fn alone(&self, needed: Option<&str>) -> Vec<Combination> {
        let each = self.0.keys().map(|name| {
            let other = needed.filter(|needed| needed != name).map(str::to_owned);
            [name.clone()].into_iter().chain(other).collect()
        });
        [Vec::new()].into_iter().chain(each).collect()
    }

    fn with_all_they_turn_on(&self, subset: &BTreeSet<String>) -> BTreeSet<String> {
        let theirs = subset.iter().filter_map(|name| self.0.get(name)).flatten().cloned();
        subset.iter().cloned().chain(theirs).collect()
    }

    /// Without what another one turns on.
    fn named(&self, all: &BTreeSet<String>) -> Combination {
        let is_implied =
            |name: &String| all.iter().any(|other| self.0.get(other).is_some_and(|on| on.contains(name)));
        all.iter().filter(|name| !is_implied(name)).cloned().collect()
    }
}

/// What a feature turns on, and what that turns on.
fn reached(name: &str, turns_on: &impl Fn(&str) -> Vec<String>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut left = turns_on(name);
    while let Some(next) = left.pop() {
        if reached.insert(next.clone()) {
            left.extend(turns_on(&next));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(text: &str) -> Features {
        Features::read(&format!("[features]\n{text}")).unwrap()
    }

    #[test]
    fn every_subset_once_and_without_default() {
        let features = features("default = [\"a\"]\na = []\nb = [\"dep:b\"]\n");
        assert_eq!(features.combinations(), [vec![], vec!["a"], vec!["b"], vec!["a", "b"]]);
    }

    #[test]
    fn what_comes_to_the_same_is_done_once() {
        let features = features("a = []\nb = [\"a\", \"x/y\"]\nc = [\"b\"]\nd = []\n");
        let expected = [
            vec![],
            vec!["a"],
            vec!["d"],
            vec!["b"],
            vec!["a", "d"],
            vec!["c"],
            vec!["b", "d"],
            vec!["c", "d"],
        ];
        assert_eq!(features.combinations(), expected);
    }

    #[test]
    fn pairs_are_all_of_two_and_fewer() {
        let features = features("a = []\nb = []\nc = []\n");
        let expected: [&[&str]; 7] = [&[], &["a"], &["b"], &["c"], &["a", "b"], &["a", "c"], &["b", "c"]];
        assert_eq!(features.pairs(), expected);
    }

    #[test]
    fn each_alone_and_with_the_one_that_is_needed() {
        let features = features("a = []\nb = []\n");
        assert_eq!(features.alone(None), [vec![], vec!["a"], vec!["b"]]);
        assert_eq!(features.alone(Some("a")), [vec![], vec!["a"], vec!["b", "a"]]);
    }
}
