//! Plain columns: a heading, rows, no borders; wrapped where the terminal is narrow.

use super::human::set;
use super::style::{Paint, Style};
use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Table,
    TableStyle, Width,
};
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// Where a cell's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Blanks between two columns.
const GAP: usize = 2;
/// Of these, what a wrapped cell has at its right; the separator takes the other.
const PADDING: u16 = 1;

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
    spare: Vec<&'static str>,
}

impl Columns {
    /// No rows yet.
    pub fn new(headings: &[(&'static str, Align)]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Adds a row of one cell a heading; `paint` is for its first cell.
    pub fn row(&mut self, paint: Paint, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.headings.len());
        self.rows.push((paint, cells));
    }

    /// Names columns a narrow terminal may go without, the first one first.
    pub fn spare(&mut self, headings: &[&'static str]) {
        self.spare = headings.to_vec();
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

    /// Writes heading and rows; nothing where there is no row. What does not fit the terminal is done without if it is
    /// spare, and wrapped if it is not.
    pub fn write(mut self, style: Style, out: &mut dyn Write) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let room = style.width.map_or(usize::MAX, usize::from);
        let mut widths = self.widths();
        let mut missing = Vec::new();
        for heading in std::mem::take(&mut self.spare) {
            if total(&widths) > room {
                self.drop(heading);
                widths = self.widths();
                missing.push(heading);
            }
        }
        if total(&widths) > room {
            self.wrapped(style, &widths, out)?;
        } else {
            self.plain(style, &widths, out)?;
        }
        if missing.is_empty() {
            return Ok(());
        }
        let missing = format!(
            "{}: not shown, as the terminal is narrow",
            missing.join(", ")
        );
        for line in set(&missing.split(' ').collect::<Vec<_>>(), " ", room) {
            writeln!(out, "{}", style.paint(Paint::Faint, &line))?;
        }
        Ok(())
    }

    /// The widest cell of each column, in columns of the terminal.
    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.headings.iter().map(|(name, _)| name.width()).collect();
        for (_, cells) in &self.rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = cell.width().max(*width);
            }
        }
        widths
    }

    /// Each row on a line. Ours, and not the table crate's, which holds ten times the memory for tens of thousands of flows.
    fn plain(&self, style: Style, widths: &[usize], out: &mut dyn Write) -> io::Result<()> {
        let mut row = |paint: Paint, cells: &mut dyn Iterator<Item = &str>| {
            let mut columns = cells.zip(self.headings.iter().zip(widths));
            let mut padded = |(cell, ((_, align), width)): (&str, (&(&str, Align), &usize))| {
                let blanks = " ".repeat(width.saturating_sub(cell.width()));
                match align {
                    Align::Left => format!("{cell}{blanks}"),
                    Align::Right => format!("{blanks}{cell}"),
                }
            };
            let first = columns.next().map(&mut padded).unwrap_or_default();
            let rest: Vec<String> = columns.map(&mut padded).collect();
            line(style, paint, &first, &rest.join(&" ".repeat(GAP)), out)
        };
        row(
            Paint::Heading,
            &mut self.headings.iter().map(|(name, _)| *name),
        )?;
        for (paint, cells) in &self.rows {
            row(*paint, &mut cells.iter().map(String::as_str))?;
        }
        Ok(())
    }

    /// Texts wrapped so that all columns fit; numbers stay whole.
    fn wrapped(self, style: Style, widths: &[usize], out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(SEPARATED);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        // The last column's padding is cut off, and may stick out.
        table.set_width(style.width.unwrap_or(u16::MAX).saturating_add(PADDING));
        table.set_header(self.headings.iter().map(|(name, _)| *name));
        let columns = table
            .column_iter_mut()
            .zip(self.headings.iter().zip(widths));
        for (column, ((_, align), width)) in columns {
            column.set_padding((0, PADDING));
            if *align == Align::Right {
                column.set_cell_alignment(CellAlignment::Right);
                let width = u16::try_from(*width).unwrap_or(u16::MAX);
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(
                    width.saturating_add(PADDING),
                )));
            }
        }
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
            // The separator is a blank of the gap, and the padding before it the other.
            let first = first.strip_suffix(' ').unwrap_or(first);
            line(style, paint, first, &rest.replace(CELL, " "), out)?;
        }
        Ok(())
    }
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

/// One line: its first cell painted, or all of it where it is the heading; no blanks at its end.
fn line(
    style: Style,
    paint: Paint,
    first: &str,
    rest: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rest = rest.trim_end();
    let name = first.trim_end();
    let blanks = match rest.is_empty() {
        true => 0,
        false => first.len() - name.len() + GAP,
    };
    let rest = match paint {
        Paint::Heading => style.paint(paint, rest),
        _ => rest.to_owned(),
    };
    writeln!(
        out,
        "{}{}{rest}",
        style.paint(paint, name),
        " ".repeat(blanks)
    )
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
    fn the_narrowest_terminal_still_gets_every_cell() {
        for width in 1..20 {
            let style = Style {
                color: false,
                width: Some(width),
            };
            let bare: String = set(&[["abc", "123"]], style).split_whitespace().collect();
            for character in "abc123".chars() {
                assert!(bare.contains(character), "{width}: {bare}");
            }
        }
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(
            set(&[["家", "1"], ["cam", "2"]], Style::default()),
            "NAME  BYTES\n家        1\ncam       2\n"
        );
    }

    #[test]
    fn a_narrow_terminal_goes_without_what_is_spare_and_is_told() {
        let shown = |width| {
            let mut columns =
                Columns::new(&[("A", Align::Left), ("B", Align::Left), ("C", Align::Left)]);
            columns.row(
                Paint::Known,
                ["aaaa", "bbbb", "cccc"].map(String::from).to_vec(),
            );
            columns.spare(&["C", "B"]);
            let mut out = Vec::new();
            let style = Style {
                color: false,
                width: Some(width),
            };
            columns.write(style, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(16), "A     B     C\naaaa  bbbb  cccc\n");
        let remark = "C: not shown,\nas the terminal\nis narrow\n";
        assert_eq!(shown(15), format!("A     B\naaaa  bbbb\n{remark}"));
        assert!(shown(4).starts_with("A\naaaa\nC,\nB:\nnot\nshown,\n"));
    }

    #[test]
    fn no_row_is_no_heading() {
        assert_eq!(set(&[], Style::default()), "");
    }
}
