//! The results as bars.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::page::{in_order, short};
use super::results::{Results, Table};

/// Tables with fewer rows compare nothing.
const FEWEST: usize = 3;
const WIDTH: u32 = 900;
const LINE: u32 = 18;
/// Where bars begin and how long the longest is, in pixels.
const BARS: (i32, f64) = (330, 440.0);
const OURS: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const OTHERS: RGBColor = RGBColor(0xbb, 0xbb, 0xbb);

/// The drawing, as SVG: the first figure of each row of each table that compares something.
pub(crate) fn chart(results: &Results) -> Result<String, String> {
    let tables: Vec<&Table> = in_order(results)
        .flat_map(|(_, suite)| &suite.report.tables)
        .filter(|table| table.rows.len() >= FEWEST)
        .collect();
    let heights: Vec<u32> =
        tables.iter().map(|table| LINE * (u32::try_from(table.rows.len()).unwrap_or(0) + 2)).collect();
    let mut svg = String::new();
    {
        let size = (WIDTH, heights.iter().sum::<u32>().max(LINE));
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&area, &tables, &heights).map_err(|error| format!("cannot draw the chart: {error}"))?;
    }
    Ok(svg)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw(area: &Area<'_>, tables: &[&Table], heights: &[u32]) -> Result<(), Box<dyn std::error::Error>> {
    area.fill(&WHITE)?;
    let mut rest = area.clone();
    for (table, height) in tables.iter().zip(heights) {
        let (panel, below) = rest.split_vertically(*height);
        draw_table(&panel, table)?;
        rest = below;
    }
    area.present()?;
    Ok(())
}

fn draw_table(panel: &Area<'_>, table: &Table) -> Result<(), Box<dyn std::error::Error>> {
    let text = ("sans-serif", 13).into_font();
    let first = table.columns.first().map_or("", String::as_str);
    let title = format!("{} ({first})", table.title);
    panel.draw(&Text::new(title, (8, 4), ("sans-serif", 14).into_font().style(FontStyle::Bold)))?;
    let figure = |figures: &[Option<f64>]| figures.first().copied().flatten();
    let most = table.rows.iter().filter_map(|row| figure(&row.figures)).fold(0.0, f64::max);
    let mut top = 0;
    for row in &table.rows {
        top += LINE.cast_signed();
        panel.draw(&Text::new(row.name.clone(), (20, top + 4), text.clone()))?;
        let Some(figure) = figure(&row.figures) else { continue };
        #[expect(clippy::cast_possible_truncation, reason = "a few hundred pixels")]
        let end = BARS.0 + (BARS.1 * figure / most).round() as i32;
        let is_ours = ["this SDK", "this mock", "tgscan"].iter().any(|ours| row.name.starts_with(ours));
        let color = if is_ours { OURS } else { OTHERS };
        panel.draw(&Rectangle::new([(BARS.0, top + 3), (end, top + 15)], color.filled()))?;
        panel.draw(&Text::new(short(Some(figure)), (end + 6, top + 4), text.clone()))?;
    }
    Ok(())
}
