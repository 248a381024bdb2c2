//! Plain columns: a heading, rows, no borders; wrapped where the terminal is narrow.

use super::style::{Paint, Style};
use comfy_table::{
    CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle,
};
use std::io::{self, Write};

/// Where a cell's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Blanks between two columns.
const GAP: u16 = 2;

/// Between cells and between rows stand control characters (ASCII's unit and record separators), which no cell can hold: so
/// a wrapped row's lines are known to be one row's, and its first cell can be coloured, before blanks take their place.
const CELL: char = '\u{1f}';
const ROW: char = '\u{1e}';
const SEPARATED: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none().junction(CELL))
    .content_lines(ContentLineStyle::none().junction(CELL))
    .header_separator(LineStyle::none().fill(ROW).junction(ROW))
    .row_separator(LineStyle::none().fill(ROW).junction(ROW));

/// Rows to be set in columns.
pub struct Columns {
    headings: Vec<(&'static str, Align)>,
    rows: Vec<(Paint, Vec<String>)>,
}

impl Columns {
    /// No rows yet.
    pub fn new(headings: &[(&'static str, Align)]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row of one cell a heading; `paint` is for its first cell.
    pub fn row(&mut self, paint: Paint, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.headings.len());
        self.rows.push((paint, cells));
    }

    /// Takes away the column of this heading.
    pub fn drop(&mut self, heading: &str) {
        if let Some(at) = self.headings.iter().position(|(name, _)| *name == heading) {
            self.headings.remove(at);
            for (_, cells) in &mut self.rows {
                if at < cells.len() {
                    cells.remove(at);
                }
            }
        }
    }

    /// Writes heading and rows; nothing where there is no row.
    pub fn write(self, style: Style, out: &mut dyn Write) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(SEPARATED);
        table.set_header(self.headings.iter().map(|(name, _)| *name));
        for (column, (_, align)) in table.column_iter_mut().zip(&self.headings) {
            column.set_padding((0, GAP - 1));
            if *align == Align::Right {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        match style.width {
            // The last column's padding is cut off, and may stick out.
            Some(width) => table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width.saturating_add(GAP - 1)),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        let (paints, rows): (Vec<Paint>, Vec<Vec<String>>) = self.rows.into_iter().unzip();
        table.add_rows(rows);
        let mut paints = paints.into_iter();
        let mut paint = Paint::Heading;
        for text in table.lines() {
            if text.starts_with(ROW) {
                paint = paints.next().unwrap_or(Paint::Faint);
                continue;
            }
            let (first, rest) = text.split_once(CELL).unwrap_or((&text, ""));
            let rest = match paint {
                Paint::Heading => style.paint(paint, rest.replace(CELL, " ").trim_end()),
                _ => rest.replace(CELL, " ").trim_end().to_owned(),
            };
            let name = first.trim_end();
            let gap = match rest.is_empty() {
                true => "",
                false => first.get(name.len()..).unwrap_or(""),
            };
            let glue = if rest.is_empty() { "" } else { " " };
            writeln!(out, "{}{gap}{glue}{rest}", style.paint(paint, name))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(rows: &[[&str; 2]], style: Style) -> String {
        let mut columns = Columns::new(&[("NAME", Align::Left), ("BYTES", Align::Right)]);
        for row in rows {
            columns.row(Paint::Known, row.map(String::from).to_vec());
        }
        let mut out = Vec::new();
        columns.write(style, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_stand_right_and_no_line_ends_in_blanks() {
        assert_eq!(
            set(
                &[["a", "1"], ["longer", "1,234,567"], ["", ""]],
                Style::default()
            ),
            "NAME        BYTES\n\
             a               1\n\
             longer  1,234,567\n\
             \n"
        );
    }

    #[test]
    fn each_line_of_a_wrapped_row_wears_its_colour() {
        let style = Style {
            color: true,
            width: Some(14),
        };
        assert_eq!(
            set(&[["one two three", "1"]], style),
            "\x1b[1mNAME\x1b[0m     \x1b[1mBYTES\x1b[0m\n\
             \x1b[36mone two\x1b[0m      1\n\
             \x1b[36mthree\x1b[0m\n"
        );
    }

    #[test]
    fn no_row_is_no_heading() {
        assert_eq!(set(&[], Style::default()), "");
    }
}
