//! What uses what: imports point down, and nothing goes round in a circle.
//!
//! Whoever reads a file has to know only what lies below it. So every file has a floor in one of the two tables here. It
//! may use files of its own floor and of those below, as long as no way leads back to it; a parent module and its child
//! are two files like any others. A new file in a folder that is on a floor is on it as well.

mod graph;
mod rust;
mod samples;
mod script;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};

use super::{assert_none, files};
use graph::{Arrow, Floor};

/// Files by their paths from the root of the repository.
type Tree = BTreeMap<String, String>;

/// The Worker's floors, the lowest first.
const WORKER: &[Floor] = &[
    ("protocol", &["src/protocol.rs", "src/protocol/"]),
    ("room", &["src/room.rs", "src/room/", "src/store.rs", "src/token.rs", "src/user.rs"]),
    ("runner", &["src/runner.rs"]),
    ("shell", &["src/shell.rs", "src/shell/"]),
    ("crate", &["src/lib.rs", "src/entry.mjs"]),
];

/// The SDK's floors, the lowest first.
const SDK: &[Floor] = &[
    ("types", &["sdk/src/protocol.ts", "sdk/src/types.ts"]),
    (
        "parts",
        &[
            "sdk/src/address.ts",
            "sdk/src/emitter.ts",
            "sdk/src/input.ts",
            "sdk/src/link.ts",
            "sdk/src/outbox.ts",
            "sdk/src/poller.ts",
            "sdk/src/replica.ts",
            "sdk/src/sender.ts",
            "sdk/src/storage.ts",
            "sdk/src/tabs.ts",
            "sdk/src/view.ts",
        ],
    ),
    ("client", &["sdk/src/client.ts"]),
    ("entries", &["sdk/src/index.ts", "sdk/src/react.ts", "sdk/src/react/", "sdk/src/service-worker.ts"]),
];

/// Files that are in a circle today. A circle that has another file too is a finding, and so is a file listed here that
/// is in none any more.
const IN_CIRCLES: &[&str] = &[
    "src/room.rs",
    "src/room/answer.rs",
    "src/room/change.rs",
    "src/room/guard.rs",
    "src/room/read.rs",
    "src/room/requests.rs",
    "src/room/staged.rs",
    "src/store.rs",
    "src/user.rs",
];

/// All that is wrong with a tree: a file without a floor, an arrow up, a circle.
fn wrong(tree: &Tree, floors: &[Floor]) -> Vec<String> {
    let (scripts, mut findings) = script::arrows(tree);
    findings.extend(tree.iter().filter(|(path, text)| !is_read_whole(path, text)).map(|(path, _)| {
        format!("{path}: its brackets do not match, so this test cannot tell code from strings in it")
    }));
    let arrows = rust::arrows(tree).into_iter().chain(scripts).collect::<Vec<_>>();
    let scripts = tree.keys().map(String::as_str).filter(|path| script::is_script(path));
    let files = rust::compiled(tree).into_iter().chain(scripts).collect::<Vec<_>>();
    let (settled, unsettled) = graph::settle(&files, floors);
    findings.extend(unsettled);
    findings.extend(graph::upward(&arrows, &settled, floors));
    findings.extend(graph::circles(&arrows).iter().map(|circle| graph::told(circle)));
    findings
}

/// Whether every bracket has its other half, as it has in what compiles.
fn is_read_whole(path: &str, text: &str) -> bool {
    let tokens = if script::is_script(path) { tokens::of_script(text) } else { tokens::of_rust(text) };
    let count = |sign| tokens.iter().filter(|token| token.kind == tokens::Kind::Sign(sign)).count();
    ["()", "[]", "{}"].iter().all(|pair| pair.chars().map(count).collect::<BTreeSet<_>>().len() == 1)
}

/// The findings without circles of these files alone, and with those of the files that are in no such circle.
fn but_for(known: &[&str], findings: Vec<String>) -> Vec<String> {
    let mut met = BTreeSet::new();
    let mut others = Vec::new();
    for finding in findings {
        let way = finding.split_once(": a circle").map(|(way, _)| way.split(" -> ").collect::<Vec<_>>());
        match way.filter(|way| way.iter().all(|file| known.contains(file))) {
            Some(way) => met.extend(way.into_iter().map(str::to_owned)),
            None => others.push(finding),
        }
    }
    let mended = known.iter().filter(|file| !met.contains(**file));
    others.extend(mended.map(|file| format!("{file}: in no circle any more; take it off the list")));
    others
}

fn tree(folder: &str) -> Tree {
    let files =
        files().into_iter().filter(|file| file.is_under(&[folder]) && file.has_ending(&[".rs", ".ts", ".tsx", ".mjs"]));
    files.map(|file| (file.path, file.text)).collect()
}

#[test]
fn in_the_worker_imports_point_down_and_make_no_circle() {
    assert_none(but_for(IN_CIRCLES, wrong(&tree("src/"), WORKER)));
}

#[test]
fn in_the_sdk_imports_point_down_and_make_no_circle() {
    assert_none(wrong(&tree("sdk/src/"), SDK));
}
