//! Tables for people, no wider than a terminal is taken to be. The first column
//! is text and broken into lines where it has to be; the others are numbers.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, TableStyle};

/// No table is wider, in columns of a terminal.
const WIDTH: usize = 100;

/// Columns between two columns of a table.
const GAP: usize = 2;

/// The first column has at least so much room.
const NARROWEST: usize = 20;

/// A table under construction.
pub(crate) struct Table {
    titles: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these titles.
    pub(crate) fn new(titles: &[&str]) -> Self {
        Table {
            titles: titles.iter().map(|&title| title.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Columns that it lacks stay empty.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells: Vec<String> = cells.into_iter().collect();
        cells.resize(self.titles.len(), String::new());
        self.rows.push(cells);
    }

    /// Prints it after an empty line, or nothing if it has no rows.
    pub(crate) fn print(mut self, out: &mut impl Write) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let room = WIDTH.saturating_sub(self.numbers()).max(NARROWEST);
        for row in &mut self.rows {
            row[0] = broken(&row[0], room);
        }
        let mut table = comfy_table::Table::new();
        let line = LineStyle::none().fill('─');
        table
            .load_style(TableStyle::new().header_separator(line))
            // In case that a character takes more than one column.
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width((WIDTH + GAP) as u16)
            .set_header(self.titles)
            .add_rows(self.rows);
        for column in table.column_iter_mut() {
            column.set_padding((0, GAP as u16));
            if column.index > 0 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(out)?;
        for line in table.lines() {
            // The line below the titles goes as far as the last column.
            let line = line.strip_suffix("──").unwrap_or(&line);
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// How much of the width the columns of numbers take.
    fn numbers(&self) -> usize {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| &row[column]);
            let widths = cells
                .chain([&self.titles[column]])
                .map(|cell| cell.chars().count());
            widths.max().unwrap_or(0) + GAP
        };
        (1..self.titles.len()).map(width).sum()
    }
}

/// A text in lines of so many characters, broken behind a space if there is one.
/// Further lines are indented further.
fn broken(text: &str, room: usize) -> String {
    let indent = text.chars().take_while(|&c| c == ' ').count();
    let further = " ".repeat((indent + GAP).min(room / 2));
    let mut lines = String::new();
    let mut line: Vec<char> = text.chars().collect();
    while line.len() > room {
        let space = line[..room].iter().rposition(|&c| c == ' ');
        let at = match space {
            Some(at) if at > further.len() => at + 1,
            _ => room,
        };
        let rest = line.split_off(at);
        lines.extend(line);
        lines.push('\n');
        line = further.chars().chain(rest).collect();
    }
    lines.extend(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        for (text, room, shown) in [
            ("short", 10, "short"),
            ("0123456789", 10, "0123456789"),
            ("0123456789a", 10, "0123456789\n  a"),
            ("  in here there", 10, "  in here \n    there"),
            ("abcdefghijklmnop", 6, "abcdef\n  ghij\n  klmn\n  op"),
        ] {
            assert_eq!(broken(text, room), shown);
        }
    }

    #[test]
    fn no_line_is_too_long() {
        let mut table = Table::new(&["text", "number", "more"]);
        table.row(["x".repeat(300), "1".repeat(20), String::new()]);
        table.row(["  \u{6f22}".repeat(100), "2".to_owned()]);
        table.row(["a word after another ".repeat(10)]);
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        for line in String::from_utf8(out).unwrap().lines() {
            let wide = line.chars().filter(|&c| c == '\u{6f22}').count();
            assert!(line.chars().count() + wide <= WIDTH, "{line}");
        }
    }

    #[test]
    fn nothing() {
        let mut out = Vec::new();
        Table::new(&["text", "number"]).print(&mut out).unwrap();
        assert!(out.is_empty());
    }
}
