//! The results as a page.

use std::fmt::{self, Write};

use super::results::{Goal, Machine, Results, Suite, Table};

/// In which order suites stand, and what they are about.
const SUITES: [(&str, &str); 6] = [
    ("decode", "Reading an answer"),
    ("build", "Building a request"),
    ("call", "A whole call"),
    ("client", "Making a client, and many calls at once"),
    ("mock", "The mock"),
    ("footprint", "What a dependent takes to build"),
];

/// The suites that were measured, in the order of the page, each with its heading.
pub(super) fn in_order(results: &Results) -> impl Iterator<Item = (&'static str, &Suite)> {
    SUITES.iter().filter_map(|(name, heading)| Some((*heading, results.0.get(*name)?)))
}

/// Why figures are missed, in words: which rows show it.
const WHY: &str = include_str!("../../bench/WHY.md");

/// The page.
pub(crate) fn page(results: &Results) -> Result<String, fmt::Error> {
    let mut page = String::from(
        "# Benchmark results\n\n\
         Written by `cargo xtask docs` from [results.json](results.json), which `cargo xtask bench` writes; not by hand. What\n\
         is compared, and how, stands in [src](src/lib.rs). Ratios are to the first row. Times vary from run to run and from\n\
         machine to machine, and only ratios of one run mean anything; counts of instructions and allocations do not vary.\n\n\
         ![The first figure of each table, as bars](results.svg)\n\n\
         ## What must be reached\n\n\
         | suite | what | found | must be | reached |\n|---|---|---:|---:|---|\n",
    );
    for (heading, suite) in in_order(results) {
        for Goal { what, figure, must_be, limit, is_met } in &suite.report.goals {
            let reached = if *is_met { "yes" } else { "**no**" };
            let (found, limit) = (short(*figure), short(Some(*limit)));
            writeln!(page, "| {heading} | {what} | {found} | {must_be} {limit} | {reached} |")?;
        }
    }
    write!(page, "\n{WHY}")?;
    for (heading, suite) in in_order(results) {
        let Machine { processor, cores, system, rustc, load } = &suite.machine;
        write!(page, "\n## {heading}\n\n`{}`: {processor}, {cores} cores, {system}, {rustc}", suite.command)?;
        match load {
            Some(load) => writeln!(page, ", load before {load:.2}.")?,
            None => writeln!(page, ".")?,
        }
        for table in &suite.report.tables {
            add(&mut page, table)?;
        }
    }
    Ok(page)
}

fn add(page: &mut String, table: &Table) -> fmt::Result {
    writeln!(page, "\n| {} | {} | ratio |", table.title, table.columns.join(" | "))?;
    writeln!(page, "|---|{}", "---:|".repeat(table.columns.len() + 1))?;
    for row in &table.rows {
        let figures: Vec<String> = row.figures.iter().map(|figure| short(*figure)).collect();
        writeln!(page, "| {} | {} | {} |", row.name, figures.join(" | "), short(row.ratio))?;
    }
    Ok(())
}

/// A figure in as many digits as say something.
pub(super) fn short(figure: Option<f64>) -> String {
    match figure {
        None => String::new(),
        Some(figure) if figure.fract() == 0.0 || figure.abs() >= 100.0 => format!("{figure:.0}"),
        Some(figure) if figure.abs() < 1.0 => format!("{figure:.3}"),
        Some(figure) => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kept_suite_has_its_heading_and_its_goals_stand_on_top() {
        let results = Results::read(&crate::root()).unwrap();
        assert_eq!(in_order(&results).count(), results.0.len());
        let text = page(&results).unwrap();
        for goal in in_order(&results).flat_map(|(_, suite)| &suite.report.goals) {
            assert!(text.contains(&format!("| {} |", goal.what)), "{}", goal.what);
        }
    }

    #[test]
    fn the_reasons_name_rows_that_exist() {
        let results = Results::read(&crate::root()).unwrap();
        let tables = in_order(&results).flat_map(|(_, suite)| &suite.report.tables);
        let rows: Vec<&str> = tables.flat_map(|table| &table.rows).map(|row| row.name.as_str()).collect();
        let text = WHY.replace('\n', " ");
        let named: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
        assert!(named.len() > 3, "{named:?}");
        for name in named {
            assert!(rows.contains(&name), "{name}");
        }
    }

    #[test]
    fn figures_are_short() {
        for (figure, shown) in
            [(0.07849, "0.078"), (1.2345, "1.23"), (20_000.0, "20000"), (123.456, "123"), (0.0, "0")]
        {
            assert_eq!(short(Some(figure)), shown);
        }
        assert_eq!(short(None), "");
    }
}
