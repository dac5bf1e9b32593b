//! The test itself, on small trees: what it must find, and what it must not take for a use.

use std::collections::BTreeSet;

use super::graph::Floor;
use super::{Arrow, Tree, rust, script, wrong};

const FLOORS: &[Floor] =
    &[("low", &["src/low.rs", "src/low/"]), ("high", &["src/high.rs", "src/high/"]), ("crate", &["src/lib.rs"])];

fn tree(files: &[(&str, &str)]) -> Tree {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

/// A crate of `src/low.rs` with a child `a`, and of `src/high.rs` with children `a` and `b`.
fn house(changed: &[(&str, &str)]) -> Tree {
    let mut tree = tree(&[
        ("src/lib.rs", "mod high;\nmod low;\n"),
        ("src/low.rs", "mod a;\npub struct Low;\n"),
        ("src/low/a.rs", ""),
        ("src/high.rs", "mod a;\nmod b;\n"),
        ("src/high/a.rs", "use crate::low::Low;\n"),
        ("src/high/b.rs", "use super::a;\n"),
    ]);
    for (path, text) in changed {
        assert!(tree.contains_key(*path), "{path}");
        tree.insert((*path).to_owned(), (*text).to_owned());
    }
    tree
}

/// What `src/high/b.rs` uses if this stands in it.
fn used_by(text: &str) -> Vec<String> {
    let arrows = rust::arrows(&house(&[("src/high/b.rs", text)]));
    let own = arrows.into_iter().filter(|arrow| arrow.from == "src/high/b.rs");
    let own = own.map(|Arrow { line, to, .. }| format!("{line} {}", to.trim_start_matches("src/")));
    // A list of imports that leads to one file several times is one use of it here.
    own.collect::<BTreeSet<_>>().into_iter().collect()
}

fn imported_by(text: &str) -> Vec<String> {
    let tree = tree(&[("s/src/a.ts", text), ("s/src/b.ts", ""), ("s/src/c.tsx", ""), ("s/src/d/index.ts", "")]);
    let (arrows, findings) = script::arrows(&tree);
    arrows
        .into_iter()
        .map(|Arrow { line, to, .. }| format!("{line} {}", &to["s/src/".len()..]))
        .chain(findings)
        .collect()
}

#[test]
fn a_house_in_order_passes() {
    assert_eq!(wrong(&house(&[]), FLOORS), [""; 0]);
}

#[test]
fn an_arrow_up_is_found() {
    let tree = house(&[("src/low/a.rs", "\nuse crate::high::a::Thing;\n"), ("src/high/a.rs", "")]);
    let expected = "src/low/a.rs:2: `crate::high::a::Thing` points up, from `low` to `high` (src/high/a.rs)";
    assert_eq!(wrong(&tree, FLOORS), [expected]);
}

#[test]
fn a_circle_over_three_files_is_found_once() {
    let tree = house(&[
        ("src/high.rs", "mod a;\nmod b;\nuse a::A;\n"),
        ("src/high/a.rs", "use super::b::B;\n"),
        ("src/high/b.rs", "use crate::high::C;\n"),
    ]);
    let found = wrong(&tree, FLOORS);
    let [circle] = &found[..] else { panic!("{found:?}") };
    let way = "src/high.rs -> src/high/a.rs -> src/high/b.rs -> src/high.rs: a circle";
    let steps = [
        "    src/high.rs:3: `a::A` is in src/high/a.rs",
        "    src/high/a.rs:1: `super::b::B` is in src/high/b.rs",
        "    src/high/b.rs:1: `crate::high::C` is in src/high.rs",
    ];
    assert_eq!(circle.lines().take(4).collect::<Vec<_>>(), [&[way], &steps[..]].concat());
}

#[test]
fn a_circle_of_a_parent_and_its_child_is_found() {
    for (parent, child) in [
        ("mod a;\nfn f() { a::g(); }", "use super::f;"),
        ("mod a;\npub use a::A;", "use super::*;"),
        ("mod a;\nuse self::a::A;", "fn g() { super::f(); }"),
        ("mod a;\nuse crate::low::a as lower;\nfn f() { lower::g(); }", "fn g() -> crate::low::Low {}"),
    ] {
        let found = wrong(&house(&[("src/low.rs", parent), ("src/low/a.rs", child)]), FLOORS);
        let [circle] = &found[..] else { panic!("{parent} {child} {found:?}") };
        assert!(circle.starts_with("src/low.rs -> src/low/a.rs -> src/low.rs: a circle\n"), "{circle}");
        assert!(
            circle.contains("src/low/a.rs is a child of src/low.rs: either may use the other, not both."),
            "{circle}"
        );
    }
}

#[test]
fn two_circles_that_share_a_file_are_two_findings() {
    let tree = house(&[
        ("src/high.rs", "mod a;\nmod b;\nuse a::A;\nuse b::B;\n"),
        ("src/high/a.rs", "use super::X;\n"),
        ("src/high/b.rs", "use super::X;\n"),
    ]);
    assert_eq!(wrong(&tree, FLOORS).len(), 2);
}

#[test]
fn a_file_that_cannot_be_read_is_found() {
    let found = wrong(&house(&[("src/high/b.rs", "fn f() { \"} ")]), FLOORS);
    let expected = "src/high/b.rs: its brackets do not match, so this test cannot tell code from strings in it";
    assert_eq!(found, [expected]);
}

#[test]
fn every_file_is_on_one_floor_and_every_floor_has_its_files() {
    let mut tree = house(&[]);
    tree.insert("src/new.rs".to_owned(), String::new());
    let found = wrong(&tree, FLOORS);
    assert_eq!(found, ["src/new.rs: on no floor; give it one in the table of tests/it/tidy/floors.rs"]);
    let twice: &[Floor] = &[("low", &["src/low.rs", "src/low/", "src/high/a.rs"]), FLOORS[1], FLOORS[2]];
    assert_eq!(wrong(&house(&[]), twice), ["src/high/a.rs: on several floors: low, high"]);
    let gone: &[Floor] = &[("low", &["src/low.rs", "src/low/", "src/gone.rs"]), FLOORS[1], FLOORS[2]];
    assert_eq!(wrong(&house(&[]), gone), ["src/gone.rs: has a floor, but there is no such file"]);
}

#[test]
fn every_form_of_use_leads_to_the_file_that_is_named() {
    for (text, expected) in [
        ("use crate::low::Low;", &["1 low.rs"][..]),
        ("use crate::low::a::b::C;", &["1 low/a.rs"]),
        ("pub use super::a::A;", &["1 high/a.rs"]),
        ("pub(crate) use super::A;", &["1 high.rs"]),
        ("use super::super::low::a::{self, A};", &["1 low/a.rs"]),
        ("use crate::low::a as lower;", &["1 low/a.rs"]),
        (
            "use crate::{high::{\n    C, a::{self as other, *}},\n  low::{a, Low as L}};",
            &["2 high.rs", "2 high/a.rs", "3 low.rs", "3 low/a.rs"],
        ),
        ("use crate::Root;", &["1 lib.rs"]),
        ("use std::low::a::A; use serde::a; use ::low::a::A;", &[]),
        ("mod c { use super::super::a::A; }", &["1 high/a.rs"]),
        ("mod c { use super::X; }\nmod d { fn f() { self::g(); } }", &[]),
        ("fn f() { use crate::low::Low; }", &["1 low.rs"]),
        ("#[cfg(feature = \"faults\")]\nuse crate::low::Low;", &["2 low.rs"]),
        ("#[cfg(not(test))]\nuse crate::low::Low;", &["2 low.rs"]),
        ("#[cfg(any(test, unix))]\nuse crate::low::Low;", &["2 low.rs"]),
    ] {
        assert_eq!(used_by(text), expected, "{text}");
    }
}

#[test]
fn paths_in_the_code_count_however_they_are_written() {
    for (text, expected) in [
        ("fn f(low: crate::low::Low) {}", &["1 low.rs"][..]),
        ("fn f() {\n    g(super::a::A::new());\n}", &["2 high/a.rs"]),
        ("fn f() { println!(\"{}\", crate::low::a::X); }", &["1 low/a.rs"]),
        (
            "fn f() -> Vec<crate::low::Low> { <crate::low::a::A>::b::<super::C>() }",
            &["1 high.rs", "1 low.rs", "1 low/a.rs"],
        ),
        ("use crate::low;\nfn f() { low::a::g(); }", &["1 low.rs", "2 low/a.rs"]),
        ("use crate::low as l;\nfn f() { l::a::g(); }", &["1 low.rs", "2 low/a.rs"]),
        ("use l::a::A;\nuse crate::low as l;", &["1 low/a.rs", "2 low.rs"]),
        ("use crate::low::*;\nfn f() { a::g(); }", &["1 low.rs", "2 low/a.rs"]),
        ("fn f() { a::g(); low::h(); }", &[]),
        ("impl crate::low::Trait for B {}", &["1 low.rs"]),
        ("pub(in crate::high) struct C;\npub(super) struct D;", &[]),
        ("macro_rules! m { () => { $crate::low::f() }; }", &["1 low.rs"]),
        ("#[serde(with = \"crate::low::a\")]\nx: u8,", &["1 low/a.rs"]),
        ("#[wasm_bindgen(module = \"/src/low/a.rs\")]\nextern \"C\" {}", &["1 low/a.rs"]),
        ("fn f<'a>(c: &'a str) { g('\\'', '\"', b'\"'); super::C::h('\"') }", &["1 high.rs"]),
    ] {
        assert_eq!(used_by(text), expected, "{text}");
    }
}

#[test]
fn comments_and_strings_and_test_code_do_not_count() {
    for text in [
        "//! [`crate::low::Low`]\n/// super::a::A\n// use crate::low::Low;\n/* crate::low::Low /* */ super::a::A */",
        "const A: &str = \"crate::low::Low \\\" super::a::A\";\nconst B: &[u8] = br#\"\"super::a::A\"#;",
        "#[doc = \"crate::low::Low\"]\nstruct A;",
        "#[cfg(test)]\nmod tests {\n    use crate::low::Low;\n}",
        "#[cfg(test)]\n#[allow(dead_code)]\nfn f<A, B>(a: A) -> crate::low::Low where B: super::C {\n  {}\n  super::D\n}",
        "#[cfg(all(test, unix))]\nuse crate::{low::{a, Low}, high::C};",
        "#[test]\nfn f() { super::C }",
        "struct A {\n    #[cfg(test)]\n    b: HashMap<crate::low::Low, super::C>,\n}",
        "enum A {\n    #[cfg(test)]\n    B { c: crate::low::Low },\n}",
        "fn f() { match x {\n    #[cfg(test)]\n    A { b } => { super::C }\n    _ => {} } }",
        "fn f() {\n    #[cfg(test)]\n    let x = super::C { d: {} }.e(super::F);\n}",
        "#[cfg(test)]\nconst A: super::C = super::C { d: 1 };",
        "#![cfg(test)]\nuse crate::low::Low;",
    ] {
        assert_eq!(used_by(text), [""; 0], "{text}");
        // Nothing behind it is lost.
        let behind = used_by(&format!("{text}\nuse crate::low::Low;"));
        assert_eq!(behind.len(), usize::from(!text.starts_with("#![cfg(test)]")), "{text}");
    }
}

#[test]
fn a_file_for_tests_needs_no_floor_and_its_uses_do_not_count() {
    let mut tree = house(&[("src/low.rs", "mod a;\n#[cfg(test)]\nmod tests;\nstruct Low;")]);
    tree.insert("src/low/tests.rs".to_owned(), "mod more;\nuse crate::high::C;".to_owned());
    tree.insert("src/low/tests/more.rs".to_owned(), "use crate::high::C;".to_owned());
    assert_eq!(wrong(&tree, &[("low", &["src/low.rs", "src/low/a.rs"]), FLOORS[1], FLOORS[2]]), [""; 0]);
}

#[test]
fn in_scripts_every_import_counts() {
    for (text, expected) in [
        ("import { B } from \"./b.ts\";\nimport C from './c.tsx';", &["1 b.ts", "2 c.tsx"][..]),
        ("import {\n  B,\n  type D,\n} from \"./b\";", &["4 b.ts"]),
        ("import type { B } from \"./b.js\";", &["1 b.ts"]),
        ("export * from \"./b.ts\"; export type { D } from \"../src/d\";", &["1 b.ts", "1 d/index.ts"]),
        ("import \"./b.ts\";", &["1 b.ts"]),
        ("const b = await import(\"./b.ts\");\nlet d: import(\"./d\").D;", &["1 b.ts", "2 d/index.ts"]),
        ("import React from \"react\"; import x from \"node:fs\";", &[]),
        ("import { B } from \"./gone.ts\";", &["s/src/a.ts:1: `./gone.ts` is none of these files"]),
        ("const a = `x ${ { b: `}` } } \"`; import b from \"./b.ts\";", &["1 b.ts"]),
        ("const a = x.replace(/[\"/]/g, \"\") / 2; import b from \"./b.ts\";", &["1 b.ts"]),
        ("const a = <p>It's</p>;\nimport b from \"./b.ts\";", &["2 b.ts"]),
        ("// import \"./b.ts\";\n/* from \"./b.ts\" */ const a = 'from \"./b.ts\"';", &[]),
        ("const a = `import \"./b.ts\"`; const b = \"from './b.ts'\"; f(\"./b.ts\");", &[]),
    ] {
        assert_eq!(imported_by(text), expected, "{text}");
    }
}

#[test]
fn in_scripts_arrows_up_and_circles_are_found() {
    let tree = tree(&[
        ("s/src/a.ts", "import { B } from \"./b.ts\";"),
        ("s/src/b.ts", "import type { C } from \"./c.ts\";"),
        ("s/src/c.ts", "\nexport * from \"./a.ts\";"),
    ]);
    let found = wrong(&tree, &[("low", &["s/src/a.ts", "s/src/b.ts"]), ("high", &["s/src/c.ts"])]);
    let [up, circle] = &found[..] else { panic!("{found:?}") };
    assert_eq!(up, "s/src/b.ts:1: `./c.ts` points up, from `low` to `high` (s/src/c.ts)");
    assert!(circle.starts_with("s/src/a.ts -> s/src/b.ts -> s/src/c.ts -> s/src/a.ts: a circle\n"), "{circle}");
}
