//! Tables for people, and the same as JSON.

use std::fmt;

use comfy_table::{CellAlignment, Table as Drawing, presets};
use serde::Serialize;

/// Contestants that did the same work in the same run.
#[derive(Debug, Serialize)]
pub struct Table {
    /// What they did.
    pub title: String,
    /// What the figures are.
    pub columns: Vec<&'static str>,
    /// One per contestant. Ratios are to the first.
    pub rows: Vec<Row>,
}

/// What one contestant reached.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The contestant.
    pub name: String,
    /// Its figures, in the order of the columns; the last digits are noise.
    pub figures: Vec<Option<f64>>,
    /// The first figure divided by that of the first row.
    pub ratio: f64,
}

/// What a suite found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// All that was measured.
    pub tables: Vec<Table>,
    /// What must be reached.
    pub goals: Vec<Goal>,
}

/// A figure that must be reached.
#[derive(Debug, Serialize)]
pub struct Goal {
    /// What it says.
    pub what: String,
    /// What was found.
    pub figure: f64,
    /// `at most` or `at least`.
    pub must_be: &'static str,
    /// What must be reached.
    pub limit: f64,
    /// Whether it is.
    pub is_met: bool,
}

impl Report {
    /// Tables, without goals yet.
    pub fn new(tables: Vec<Table>) -> Self {
        Self { tables, goals: Vec::new() }
    }

    /// Adds a goal.
    pub fn at_most(&mut self, what: impl Into<String>, figure: f64, limit: f64) {
        let (what, must_be, is_met) = (what.into(), "at most", figure <= limit);
        self.goals.push(Goal { what, figure, must_be, limit, is_met });
    }

    /// Adds a goal.
    pub fn at_least(&mut self, what: impl Into<String>, figure: f64, limit: f64) {
        let (what, must_be, is_met) = (what.into(), "at least", figure >= limit);
        self.goals.push(Goal { what, figure, must_be, limit, is_met });
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_met { "ok    " } else { "MISSED" };
        let Self { what, figure, must_be, limit, .. } = self;
        write!(f, "{mark} {what}: {}, must be {must_be} {}", short(*figure), short(*limit))
    }
}

impl Table {
    /// The first figure of a row.
    pub fn first(&self, name: &str) -> f64 {
        let row = self.rows.iter().find(|row| row.name == name);
        row.and_then(|row| row.figures.first().copied().flatten()).unwrap_or(f64::NAN)
    }

    /// A table without contestants yet.
    pub fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self { title: title.into(), columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a contestant, whose first figure is compared.
    pub fn add(&mut self, name: impl Into<String>, figures: Vec<Option<f64>>) {
        let first = |figures: &[Option<f64>]| figures.first().copied().flatten().unwrap_or(f64::NAN);
        let base = self.rows.first().map_or_else(|| first(&figures), |row| first(&row.figures));
        self.rows.push(Row { name: name.into(), ratio: first(&figures) / base, figures });
    }

    /// The table as text.
    pub fn draw(&self) -> String {
        let mut drawing = Drawing::new();
        drawing.load_preset(presets::ASCII_MARKDOWN);
        let header = [&self.title[..]].into_iter().chain(self.columns.iter().copied()).chain(["ratio"]);
        drawing.set_header(header);
        for row in &self.rows {
            let figures = row.figures.iter().map(|figure| figure.map_or_else(String::new, short));
            let cells = [row.name.clone()].into_iter().chain(figures).chain([format!("{:.2}", row.ratio)]);
            drawing.add_row(cells);
        }
        for column in drawing.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        drawing.to_string()
    }
}

fn short(figure: f64) -> String {
    if figure.abs() < 1.0 && figure != 0.0 {
        format!("{figure:.3}")
    } else if figure.abs() < 100.0 && figure.fract() != 0.0 {
        format!("{figure:.2}")
    } else {
        format!("{figure:.0}")
    }
}
