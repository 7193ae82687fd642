//! `cargo xtask api`: lists what each library offers to others, so that a change of it is seen in review.
//!
//! The lists are made from rustdoc's JSON with all features on. No type of a dependency may stand in them, apart from a
//! few that are meant to: whoever shows a dependency's type must release a breaking version with every one of its.

mod foreign;
mod listing;
mod rustdoc;

use clap::Args;

pub use rustdoc::in_its_place as rustdoc_in_its_place;

use crate::workspace::published;
use crate::{Outcome, root};

/// Flags of `cargo xtask api`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Write nothing; fail if a list is not current.
    #[arg(long)]
    check: bool,
}

/// Writes the lists, or only checks them; in both cases that they show no type that they should not.
///
/// # Errors
/// If a list cannot be made, is not current when checked, or shows a dependency's type.
pub fn run(flags: &Flags) -> Outcome {
    let folder = rustdoc::write_json()?;
    let mut problems = Vec::new();
    for name in published()? {
        let list = listing::of(&folder, &name)?;
        problems.extend(foreign::problems(&name, &list));
        let path = format!("{name}/api.txt");
        let committed = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
        if committed == list {
            continue;
        }
        if flags.check {
            problems.push(format!(
                "{path} is not current; to write it: cargo xtask api\n{}",
                listing::changes(&committed, &list)
            ));
        } else {
            std::fs::write(root().join(&path), list)
                .map_err(|error| format!("cannot write {path}: {error}"))?;
            println!("wrote {path}");
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// Checks the lists.
///
/// # Errors
/// As [`run`].
pub fn check() -> Outcome {
    run(&Flags { check: true })
}
