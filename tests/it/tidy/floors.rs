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
    ("sql", &["src/sql.rs"]),
    ("access", &["src/access.rs", "src/access/"]),
    ("kind", &["src/kind.rs", "src/kind/"]),
    ("room", &["src/room.rs", "src/room/"]),
    ("user", &["src/user.rs"]),
    ("store", &["src/store.rs"]),
    ("driver", &["src/driver.rs", "src/driver/"]),
    ("shell", &["src/shell.rs", "src/shell/"]),
    ("crate", &["src/lib.rs", "src/instance.mjs", "src/entry.mjs"]),
];

/// The SDK's floors, the lowest first.
const SDK: &[Floor] = &[
    (
        "types",
        &[
            "packages/sdk/src/generated/",
            "packages/sdk/src/kind.ts",
            "packages/sdk/src/rooms/definition.ts",
            "packages/sdk/src/rooms/infer.ts",
            "packages/sdk/src/types.ts",
        ],
    ),
    // No clock, socket or storage: values go in, values come out.
    (
        "pure parts",
        &[
            "packages/sdk/src/address.ts",
            "packages/sdk/src/connection.ts",
            "packages/sdk/src/emitter.ts",
            "packages/sdk/src/input.ts",
            "packages/sdk/src/outbox.ts",
            "packages/sdk/src/replica.ts",
            "packages/sdk/src/rooms/check.ts",
            "packages/sdk/src/rooms/fields.ts",
            "packages/sdk/src/rooms/json.ts",
            "packages/sdk/src/rooms/lenses.ts",
            "packages/sdk/src/rooms/names.ts",
            "packages/sdk/src/rooms/report.ts",
            "packages/sdk/src/rooms/rules.ts",
            "packages/sdk/src/rooms/validators.ts",
            "packages/sdk/src/schema.ts",
            "packages/sdk/src/schema/",
            "packages/sdk/src/undo.ts",
            "packages/sdk/src/view.ts",
        ],
    ),
    // Each has one thing of the world outside.
    (
        "parts with effects",
        &[
            "packages/sdk/src/keeper.ts",
            "packages/sdk/src/link.ts",
            "packages/sdk/src/patience.ts",
            "packages/sdk/src/poller.ts",
            "packages/sdk/src/saved.ts",
            "packages/sdk/src/sender.ts",
            "packages/sdk/src/storage.ts",
            "packages/sdk/src/tabs.ts",
        ],
    ),
    ("engine", &["packages/sdk/src/engine.ts"]),
    ("client", &["packages/sdk/src/client.ts"]),
    // What a page may do with a client, without a framework.
    ("uses of a client", &["packages/sdk/src/field.ts"]),
    (
        "entries",
        &[
            "packages/sdk/src/index.ts",
            "packages/sdk/src/kinds.ts",
            "packages/sdk/src/react.ts",
            "packages/sdk/src/react/",
            "packages/sdk/src/rooms.ts",
            "packages/sdk/src/service-worker.ts",
        ],
    ),
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

fn tree(folder: &str) -> Tree {
    let files =
        files().into_iter().filter(|file| file.is_under(&[folder]) && file.has_ending(&[".rs", ".ts", ".tsx", ".mjs"]));
    files.map(|file| (file.path, file.text)).collect()
}

#[test]
fn in_the_worker_imports_point_down_and_make_no_circle() {
    assert_none(wrong(&tree("src/"), WORKER));
}

#[test]
fn in_the_sdk_imports_point_down_and_make_no_circle() {
    assert_none(wrong(&tree("packages/sdk/src/"), SDK));
}
