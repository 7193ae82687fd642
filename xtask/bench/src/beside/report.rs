//! Tables for people, and the same as JSON.

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

impl Table {
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
    if figure.abs() < 100.0 && figure.fract() != 0.0 {
        format!("{figure:.2}")
    } else {
        format!("{figure:.0}")
    }
}
