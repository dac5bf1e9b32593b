//! What the files of a TypeScript or JavaScript tree import of each other.

use super::Tree;
use super::graph::Arrow;
use super::tokens::{self, Kind};

/// All arrows. An import of a file that the tree does not have is a finding.
pub fn arrows(tree: &Tree) -> (Vec<Arrow>, Vec<String>) {
    let (mut arrows, mut findings) = (Vec::new(), Vec::new());
    for (from, text) in tree.iter().filter(|(path, _)| is_script(path)) {
        for (line, what) in imports(text) {
            match resolve(tree, from, what) {
                Some(to) => arrows.push(Arrow { from: from.clone(), line, what: what.to_owned(), to }),
                None => findings.push(format!("{from}:{line}: `{what}` is none of these files")),
            }
        }
    }
    (arrows, findings)
}

pub fn is_script(path: &str) -> bool {
    [".ts", ".tsx", ".mjs"].iter().any(|ending| path.ends_with(ending))
}

/// The relative paths that are imported, or exported from: for types too, and within expressions.
fn imports(text: &str) -> Vec<(usize, &str)> {
    let tokens = tokens::of_script(text);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Kind::Text(what) = token.kind else { continue };
        let before = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at)).map(|token| token.kind);
        let is_import = match before(1) {
            Some(Kind::Word("from" | "import")) => true,
            Some(Kind::Sign('(')) => matches!(before(2), Some(Kind::Word("import" | "require"))),
            Some(Kind::Word(_) | Kind::Text(_) | Kind::Sign(_) | Kind::Path) | None => false,
        };
        if is_import && what.starts_with('.') {
            found.push((token.line, what));
        }
    }
    found
}

fn resolve(tree: &Tree, from: &str, what: &str) -> Option<String> {
    let mut parts = from.split('/').collect::<Vec<_>>();
    parts.pop();
    for part in what.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    let path = parts.join("/");
    let stem = path.strip_suffix(".js").unwrap_or(&path);
    let others = [".ts", ".tsx", ".mjs", "/index.ts"].map(|ending| format!("{stem}{ending}"));
    [path.clone()].into_iter().chain(others).find(|path| tree.contains_key(path))
}
