//! The rules of the house, held on the repository's own files.

mod floors;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;
/// What is looked at as text.
const TEXT: [&str; 10] = ["rs", "ts", "mjs", "js", "md", "toml", "html", "css", "json", "yml"];

/// A text file of the repository, by its path from the root.
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_under(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    fn has_ending(&self, endings: &[&str]) -> bool {
        endings.iter().any(|ending| self.path.ends_with(ending))
    }

    /// What is compiled into the Worker: without the tests and what is there for tests.
    fn code(&self) -> Vec<(usize, &str)> {
        let mut code = Vec::new();
        let mut lines = self.text.lines().enumerate().map(|(at, line)| (at + 1, line));
        while let Some((number, line)) = lines.next() {
            if matches!(line.trim(), "#[cfg(test)]" | r#"#[cfg(feature = "faults")]"#) {
                let item = lines.by_ref().map(|(_, line)| line).skip_while(|line| line.trim().starts_with("#["));
                skip_item(item);
            } else {
                code.push((number, line));
            }
        }
        code
    }
}

/// Skips what begins with the next line. Formatted code closes at the indentation at which it opened.
fn skip_item<'a>(mut lines: impl Iterator<Item = &'a str>) {
    let Some(first) = lines.next() else { return };
    if is_whole(first) {
        return;
    }
    let indent = indent(first);
    for line in lines {
        if line.starts_with(&format!("{indent}}}")) || (line.starts_with(&format!("{indent})")) && is_whole(line)) {
            return;
        }
    }
}

fn is_whole(line: &str) -> bool {
    line.ends_with([';', ',', '}'])
}

fn indent(line: &str) -> String {
    " ".repeat(line.len() - line.trim_start().len())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All text files but those that git is told to ignore.
fn files() -> Vec<File> {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    let ignored = ignored.lines().map(|line| root().join(line.trim_start_matches('/'))).collect::<Vec<_>>();
    let mut files = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        for path in entries.filter(|path| !ignored.contains(path) && !path.ends_with(".git")) {
            if path.is_dir() {
                // What tools install lies in folders of this name, wherever they are.
                folders.extend(Some(path).filter(|path| !path.ends_with("node_modules")));
            } else if path.extension().is_some_and(|ending| TEXT.iter().any(|text| ending == *text)) {
                files.push(read(path));
            }
        }
    }
    files
}

fn read(path: PathBuf) -> File {
    let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
    File { path: name, text: fs::read_to_string(path).unwrap() }
}

fn sources() -> Vec<File> {
    let sources = files().into_iter().filter(|file| file.is_under(&["src/"]) && file.has_ending(&[".rs"]));
    sources.collect()
}

/// Each finding is a line `path:number: what`.
#[track_caller]
fn assert_none(findings: impl IntoIterator<Item = String>) {
    let findings = findings.into_iter().collect::<Vec<_>>();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

/// The lines of compiled code in which one of these stands.
fn with_any(files: &[File], forbidden: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let lines = file.code().into_iter().filter(|(_, line)| forbidden.iter().any(|bad| line.contains(bad)));
        found.extend(lines.map(|(number, line)| format!("{}:{number}: {}", file.path, line.trim())));
    }
    found
}

#[test]
fn files_are_short() {
    let sizes = sources().into_iter().map(|file| (file.text.lines().count(), file.path));
    assert_none(
        sizes.filter(|(lines, _)| *lines > FILE_LINES).map(|(lines, path)| format!("{path}:{lines}: too long")),
    );
}

#[test]
fn functions_are_short() {
    let mut found = Vec::new();
    for file in sources() {
        let lines = file.text.lines().collect::<Vec<_>>();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_function(line)) {
            let mut length = 0;
            skip_item(lines[at..].iter().inspect(|_| length += 1).copied());
            if length > FUNCTION_LINES {
                found.push(format!("{}:{}: {length} lines: {}", file.path, at + 1, line.trim()));
            }
        }
    }
    assert_none(found);
}

fn is_function(line: &str) -> bool {
    let words = line.split_whitespace().take_while(|word| !word.starts_with("//"));
    words.take(4).any(|word| word == "fn")
}

#[test]
fn only_the_shell_knows_workerd() {
    let core = sources().into_iter().filter(|file| !file.is_under(&["src/shell"])).collect::<Vec<_>>();
    assert_none(with_any(&core, &["worker::", "js_sys", "wasm_bindgen", "crate::shell"]));
}

#[test]
fn no_input_can_cause_a_panic() {
    let forbidden = [".unwrap()", "panic!(", "todo!", "unimplemented!", "unreachable!("];
    assert_none(with_any(&sources(), &forbidden));
}

#[test]
fn nothing_is_left_for_later_in_a_comment() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let ours =
        files().into_iter().filter(|file| file.has_ending(&[".rs", ".ts", ".mjs", ".md", ".toml", ".css", ".html"]));
    let found = ours.flat_map(|file| {
        let lines = file.text.lines().enumerate().filter(|(_, line)| words(line).any(|word| marks.contains(&word)));
        lines.map(|(at, line)| format!("{}:{}: {line}", file.path, at + 1)).collect::<Vec<_>>()
    });
    assert_none(found);
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric())
}

#[test]
fn nothing_points_outside_of_the_repository() {
    let outside = concat!("../", "shared");
    assert_none(files().into_iter().filter(|file| file.text.contains(outside)).map(|file| file.path));
}

#[test]
fn every_rule_of_the_protocol_has_a_test() {
    let protocol = fs::read_to_string(root().join("PROTOCOL.md")).expect("PROTOCOL.md is the contract of the wire");
    let rules = rules(&protocol);
    assert!(rules.len() > 20, "PROTOCOL.md lists its rules as `- **U1** …`: {rules:?}");
    let tested = files().iter().filter(|file| file.is_under(&["tests/", "src/"])).flat_map(tested).collect();
    let untested = rules.difference(&tested).map(|rule| format!("PROTOCOL.md: no test names {rule}"));
    assert_none(untested);
}

/// The rules of this release: those under no heading `Later`.
fn rules(protocol: &str) -> BTreeSet<String> {
    let mut later = None;
    let mut rules = BTreeSet::new();
    for line in protocol.lines() {
        let level = line.chars().take_while(|c| *c == '#').count();
        if level > 0 && later.is_none_or(|later| level <= later) {
            later = (line.trim_matches(['#', ' ']) == "Later").then_some(level);
        }
        let rule = line.strip_prefix("- **").and_then(|line| line.split_once("**"));
        rules.extend(rule.filter(|_| later.is_none()).map(|(rule, _)| rule.to_owned()).filter(|rule| is_rule(rule)));
    }
    rules
}

/// A capital and a number.
fn is_rule(word: &str) -> bool {
    let number = word.strip_prefix(|c: char| c.is_ascii_uppercase());
    number.is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
}

/// The rules that the names of a file's tests quote.
fn tested(file: &File) -> BTreeSet<String> {
    let lines = file.text.lines();
    let quoted = if file.has_ending(&[".rs"]) {
        let names = lines.filter_map(|line| line.trim().strip_prefix("fn ")?.split('(').next());
        names.flat_map(|name| name.split('_')).map(str::to_uppercase).collect::<Vec<_>>()
    } else if file.has_ending(&[".test.ts"]) {
        let names = lines.map(str::trim).filter(|line| line.contains("test(") || line.starts_with('"'));
        let names = names.filter_map(|line| line.split(['"', '`', '\'']).nth(1));
        names.flat_map(words).map(str::to_owned).collect()
    } else {
        Vec::new()
    };
    quoted.into_iter().filter(|word| is_rule(word)).collect()
}

#[test]
fn the_rules_are_found_where_they_stand() {
    let protocol =
        "# P\n- **U1** a\n- **Note** b\n## Later\n- **Q1** c\n### More\n- **Q2** d\n## Limits (X)\n- **X1** e\n";
    assert_eq!(rules(protocol).into_iter().collect::<Vec<_>>(), ["U1", "X1"]);
    let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
    let rust = file("a.rs", "    fn y1_and_y2_hold() {\n// u9_\n");
    let script = file("a.test.ts", "test(\"F3 F4 are so\", () => {\nconst x = F5;\n");
    assert_eq!(tested(&rust).into_iter().collect::<Vec<_>>(), ["Y1", "Y2"]);
    assert_eq!(tested(&script).into_iter().collect::<Vec<_>>(), ["F3", "F4"]);
    let code =
        file("a.rs", "a\n#[cfg(test)]\nmod tests {\n    b\n}\nc\n    #[cfg(feature = \"faults\")]\n    d: e,\n    f\n");
    assert_eq!(code.code().into_iter().map(|(_, line)| line.trim()).collect::<Vec<_>>(), ["a", "c", "f"]);
}
