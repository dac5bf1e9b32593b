//! Tables of text.

/// A table with its columns under each other: names on the left, numbers on the right. `head` has the columns' titles,
/// and two spaces for one without.
pub fn table(head: &str, rows: impl Iterator<Item = Vec<String>>) -> String {
    let head = head.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let lines = std::iter::once(head).chain(rows).collect::<Vec<_>>();
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or_default();
    let is_number = |column: usize| lines[lines.len() - 1][column].starts_with(|c: char| c.is_ascii_digit());
    let form = (0..columns).map(|column| (width(column), is_number(column))).collect::<Vec<_>>();
    let mut table = String::new();
    for line in &lines {
        let cells = line.iter().zip(&form);
        let cells = cells.map(|(cell, &(width, is_number))| match is_number {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        table.push('\n');
    }
    table
}
