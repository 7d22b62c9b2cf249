//! Tables, without lines: made to be read, and to be cut by `awk`.

use comfy_table::{CellAlignment, Table, presets};

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// Words.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

/// Lays rows out below a header.
#[derive(Debug)]
pub(crate) struct Rows {
    table: Table,
}

impl Rows {
    /// Begins a table with these columns.
    pub(crate) fn new(columns: &[Column]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(columns.iter().map(|column| match column {
            Column::Left(title) | Column::Right(title) => *title,
        }));
        for (at, column) in columns.iter().enumerate() {
            let Some(place) = table.column_mut(at) else { continue };
            place.set_padding((0, 2));
            place.set_cell_alignment(match column {
                Column::Left(_) => CellAlignment::Left,
                Column::Right(_) => CellAlignment::Right,
            });
        }
        Self { table }
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> =
            cells.into_iter().map(|cell| crate::printer::escaped(&cell).into_owned()).collect();
        self.table.add_row(cells);
    }

    /// Returns the lines, without blanks at their ends.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.table.lines().map(|line| line.trim_end().to_owned()).collect()
    }
}
