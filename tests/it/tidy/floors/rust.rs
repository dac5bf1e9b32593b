//! Which files of a Rust crate use which: every `use`, and every path that stands in the code itself.
//!
//! A path counts for the file of the deepest module that it names, so what is re-exported counts for the file that
//! re-exports it. `mod x;` is no use of `x`, `x::y` in the file that declares `x` is one. Comments and strings do not
//! count, but for the paths in strings of attributes (serde and wasm-bindgen take them there).
//!
//! Methods are not looked up: a call of one needs no import where the type is known.

use std::collections::{BTreeMap, BTreeSet};

use super::Tree;
use super::graph::Arrow;
use super::tokens::{self, Kind, Token};

/// A module by its path from the root of the crate.
type Module = Vec<String>;

/// A path as it is written, with the module in which it stands.
struct Mention {
    within: Module,
    line: usize,
    path: Vec<String>,
}

/// `use path`, `use path as name` or `use path::*`.
struct Import {
    mention: Mention,
    /// What stands for the path from there on, but for `*`.
    name: Option<String>,
}

/// A file, read.
#[derive(Default)]
struct Source {
    /// The modules that it holds: its own, and those whose bodies stand in it.
    modules: Vec<Module>,
    imports: Vec<Import>,
    mentions: Vec<Mention>,
    /// Files that attributes name, by their paths from the root of the repository.
    files: Vec<(usize, String)>,
}

/// All arrows of the crate whose root is `src/lib.rs`. Code for tests does not count, nor do files of it.
pub fn arrows(tree: &Tree) -> Vec<Arrow> {
    let sources = sources(tree);
    let mut modules = BTreeMap::new();
    for (path, source) in &sources {
        modules.extend(source.modules.iter().map(|module| (module.clone(), *path)));
    }
    let mut arrows = BTreeSet::new();
    for (path, source) in &sources {
        let mut add = |line, what: String, to: &str| {
            if to != *path {
                arrows.insert(Arrow { from: (*path).to_owned(), line, what, to: to.to_owned() });
            }
        };
        let aliases = aliases(source, &modules);
        for mention in source.imports.iter().map(|import| &import.mention).chain(&source.mentions) {
            let to = absolute(mention, &aliases, &modules).and_then(|whole| file_of(&whole, &modules));
            if let Some(to) = to {
                add(mention.line, mention.path.join("::"), to);
            }
        }
        for (line, file) in source.files.iter().filter(|(_, file)| tree.contains_key(file)) {
            add(*line, file.clone(), file);
        }
    }
    arrows.into_iter().collect()
}

/// The crate's files that are compiled outside of tests.
pub fn compiled(tree: &Tree) -> Vec<&str> {
    sources(tree).into_keys().collect()
}

fn sources(tree: &Tree) -> BTreeMap<&str, Source> {
    let (mut read, mut for_tests) = (BTreeMap::new(), Vec::new());
    for (path, text) in tree {
        let Some(module) = module_of(path) else { continue };
        let (tokens, of_tests) = without_tests(&tokens::of_rust(text));
        for_tests.extend(of_tests.into_iter().map(|name| child(&module, &name)));
        read.insert(path.as_str(), (module, tokens));
    }
    let is_for_tests = |module: &Module| for_tests.iter().any(|tests| module.starts_with(tests));
    let compiled = read.into_iter().filter(|(_, (module, _))| !is_for_tests(module));
    compiled.map(|(path, (module, tokens))| (path, Scan::of(module, &tokens))).collect()
}

fn module_of(path: &str) -> Option<Module> {
    let path = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    Some(path.split('/').map(str::to_owned).filter(|_| path != "lib").collect())
}

fn child(module: &[String], name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// What names stand for in a file, by the modules that they are imported from.
fn aliases(source: &Source, modules: &BTreeMap<Module, &str>) -> BTreeMap<String, Module> {
    let mut aliases = BTreeMap::new();
    // An import may begin with the name that another one brings.
    for _ in 0..source.imports.len().min(4) {
        for Import { mention, name } in &source.imports {
            let Some(whole) = absolute(mention, &aliases, modules) else { continue };
            match name {
                Some(name) if modules.contains_key(&whole) => {
                    aliases.insert(name.clone(), whole);
                }
                Some(_) => {}
                None => {
                    let children = modules.keys().filter(|module| module.len() == whole.len() + 1);
                    for module in children.filter(|module| module.starts_with(&whole)) {
                        aliases.insert(module.last().cloned().unwrap_or_default(), module.clone());
                    }
                }
            }
        }
    }
    aliases
}

/// The path from the root of the crate, or `None` if it leads to another crate or is none of modules.
fn absolute(
    mention: &Mention,
    aliases: &BTreeMap<String, Module>,
    modules: &BTreeMap<Module, &str>,
) -> Option<Vec<String>> {
    let (mut base, mut rest) = (mention.within.clone(), mention.path.as_slice());
    match rest.first()?.as_str() {
        "crate" => base.clear(),
        "self" => {}
        "super" => {
            while rest.get(1).is_some_and(|next| next == "super") {
                base.pop();
                rest = &rest[1..];
            }
            base.pop();
        }
        head => {
            let declared = child(&base, head);
            base = if modules.contains_key(&declared) { declared } else { aliases.get(head)?.clone() };
        }
    }
    Some(base.into_iter().chain(rest[1..].iter().cloned()).collect())
}

fn file_of<'a>(whole: &[String], modules: &BTreeMap<Module, &'a str>) -> Option<&'a str> {
    (0..=whole.len()).rev().find_map(|length| modules.get(&whole[..length]).copied())
}

/// The tokens without what is compiled for tests alone, and the names of the modules among that. Of strings only those
/// of attributes are left.
fn without_tests<'a>(tokens: &[Token<'a>]) -> (Vec<Token<'a>>, Vec<String>) {
    let (mut kept, mut modules, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some(token) = tokens.get(at) {
        let Some(end) = end_of_attribute(tokens, at) else {
            kept.extend(Some(*token).filter(|token| !matches!(token.kind, Kind::Text(_))));
            at += 1;
            continue;
        };
        let attribute = &tokens[at..end];
        if !is_for_tests(attribute) {
            kept.extend(attribute.iter().filter(|_| word_at(attribute, 2) != Some("doc")));
            at = end;
        } else if attribute[1].kind == Kind::Sign('!') {
            // All of the module, of which the rest of the file is the only body that may begin like this.
            return (Vec::new(), modules);
        } else {
            at = end;
            while let Some(end) = end_of_attribute(tokens, at) {
                at = end;
            }
            let item = &tokens[at..];
            let item = &item[..length_of_item(item)];
            let name = item.iter().position(|token| token.kind == Kind::Word("mod"));
            modules.extend(name.and_then(|name| word_at(item, name + 1)).map(str::to_owned));
            at += item.len();
        }
    }
    (kept, modules)
}

fn word_at<'a>(tokens: &[Token<'a>], at: usize) -> Option<&'a str> {
    match tokens.get(at)?.kind {
        Kind::Word(word) => Some(word),
        Kind::Text(_) | Kind::Path | Kind::Sign(_) => None,
    }
}

fn end_of_attribute(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let sign = |at: usize| tokens.get(at).map(|token| token.kind);
    let open = at + 1 + usize::from(sign(at + 1) == Some(Kind::Sign('!')));
    if sign(at) != Some(Kind::Sign('#')) || sign(open) != Some(Kind::Sign('[')) {
        return None;
    }
    Some(open + length_of_group(&tokens[open..]))
}

/// How many tokens the brackets have with which these begin, both included.
fn length_of_group(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Sign('(' | '[' | '{') => depth += 1,
            Kind::Sign(')' | ']' | '}') => depth -= 1,
            Kind::Sign(_) | Kind::Word(_) | Kind::Text(_) | Kind::Path => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// Whether this is `#[cfg(…)]` of something that holds in tests alone, or `#[test]`.
fn is_for_tests(attribute: &[Token<'_>]) -> bool {
    let inside = attribute.iter().position(|token| token.kind == Kind::Sign('[')).map_or(0, |open| open + 1);
    match word_at(attribute, inside) {
        Some("test") => true,
        Some("cfg") => needs_test(&attribute[inside + 2..attribute.len() - 2]),
        Some(_) | None => false,
    }
}

fn needs_test(predicate: &[Token<'_>]) -> bool {
    let mut parts = predicate.get(2..predicate.len().saturating_sub(1)).unwrap_or_default();
    let mut arguments = Vec::new();
    while !parts.is_empty() {
        let mut end = 0;
        while parts.get(end).is_some_and(|token| token.kind != Kind::Sign(',')) {
            end += length_of_group(&parts[end..]);
        }
        arguments.push(&parts[..end]);
        parts = parts.get(end + 1..).unwrap_or_default();
    }
    match word_at(predicate, 0) {
        Some("test") => predicate.len() == 1,
        Some("all") => arguments.into_iter().any(needs_test),
        Some("any") => !arguments.is_empty() && arguments.into_iter().all(needs_test),
        Some(_) | None => false,
    }
}

/// How many tokens the item, field, variant, arm or statement has that begins here.
fn length_of_item(tokens: &[Token<'_>]) -> usize {
    let words = tokens.iter().map_while(|token| match token.kind {
        Kind::Word(word) => Some(word),
        Kind::Sign('(' | ')') | Kind::Text(_) | Kind::Path => Some(""),
        Kind::Sign(_) => None,
    });
    const WITH_BODY: [&str; 8] = ["fn", "mod", "impl", "trait", "struct", "enum", "union", "macro_rules"];
    const TO_SEMICOLON: [&str; 5] = ["use", "const", "static", "type", "let"];
    let mut words = words.filter(|word| WITH_BODY.contains(word) || TO_SEMICOLON.contains(word)).peekable();
    let has_body = words.clone().any(|word| WITH_BODY.contains(&word));
    let is_item = words.peek().is_some();
    let (mut at, mut angles) = (0, 0_i32);
    while let Some(token) = tokens.get(at) {
        let before = at.checked_sub(1).map(|before| tokens[before].kind);
        match token.kind {
            Kind::Sign(';') => return at + 1,
            Kind::Sign(',') if !is_item && angles <= 0 => return at + 1,
            Kind::Sign(')' | ']' | '}') => return at,
            Kind::Sign('<') => angles += 1,
            Kind::Sign('>') if !matches!(before, Some(Kind::Sign('-' | '='))) => angles -= 1,
            Kind::Sign(_) | Kind::Word(_) | Kind::Text(_) | Kind::Path => {}
        }
        at += length_of_group(&tokens[at..]);
        let next = tokens.get(at).map(|token| token.kind);
        // Behind the braces of a pattern the arm goes on, behind those of a value the statement or the list.
        let goes_on = !has_body && (is_item || matches!(next, Some(Kind::Sign('=' | ',' | '|' | '.' | '?' | ';'))));
        if token.kind == Kind::Sign('{') && !goes_on {
            return at;
        }
    }
    tokens.len()
}

/// Goes through the tokens of a file.
struct Scan<'a> {
    tokens: &'a [Token<'a>],
    /// In which module this place is, and for those whose bodies stand in the file at which depth they began.
    module: Module,
    bodies: Vec<usize>,
    depth: usize,
    source: Source,
}

impl<'a> Scan<'a> {
    fn of(module: Module, tokens: &'a [Token<'a>]) -> Source {
        let source = Source { modules: vec![module.clone()], ..Source::default() };
        let mut scan = Scan { tokens, module, bodies: Vec::new(), depth: 0, source };
        let mut at = 0;
        while at < tokens.len() {
            at = scan.step(at).max(at + 1);
        }
        scan.source
    }

    fn kind(&self, at: usize) -> Option<Kind<'a>> {
        self.tokens.get(at).map(|token| token.kind)
    }

    /// Takes what begins here. Returns where the next begins.
    fn step(&mut self, at: usize) -> usize {
        let Some(Token { kind, line }) = self.tokens.get(at).copied() else { return at };
        match kind {
            Kind::Sign('{') => self.depth += 1,
            Kind::Sign('}') => {
                self.depth = self.depth.saturating_sub(1);
                if self.bodies.pop_if(|depth| *depth == self.depth).is_some() {
                    self.module.pop();
                }
            }
            Kind::Word("pub") if self.kind(at + 1) == Some(Kind::Sign('(')) => {
                return at + 1 + length_of_group(&self.tokens[at + 1..]);
            }
            Kind::Word("mod") => return self.declaration(at),
            // `use<'a>` is of another kind.
            Kind::Word("use") if self.kind(at + 1) != Some(Kind::Sign('<')) => return self.tree(at + 1, &[]),
            Kind::Word(_)
                if self.kind(at + 1) == Some(Kind::Path) && at > 0 && self.kind(at - 1) == Some(Kind::Path) => {}
            Kind::Word(_) if self.kind(at + 1) == Some(Kind::Path) => {
                let (path, end) = self.path(at);
                self.source.mentions.push(Mention { within: self.module.clone(), line, path });
                return end;
            }
            // All other strings are left out before.
            Kind::Text(text) => self.string(text, line),
            Kind::Word(_) | Kind::Sign(_) | Kind::Path => {}
        }
        at + 1
    }

    /// `mod x;` or `mod x { … }`.
    fn declaration(&mut self, at: usize) -> usize {
        let Some(name) = word_at(self.tokens, at + 1) else { return at + 1 };
        if self.kind(at + 2) == Some(Kind::Sign('{')) {
            self.module.push(name.to_owned());
            self.source.modules.push(self.module.clone());
            self.bodies.push(self.depth);
        }
        at + 2
    }

    /// `a::b::c`, up to what is no name.
    fn path(&self, mut at: usize) -> (Vec<String>, usize) {
        let mut path = Vec::new();
        while let Some(word) = word_at(self.tokens, at) {
            path.push(word.to_owned());
            if self.kind(at + 1) != Some(Kind::Path) {
                return (path, at + 1);
            }
            at += 2;
        }
        (path, at)
    }

    /// What stands behind `use`, or in the braces of a `use` after these names. Returns where it ends.
    fn tree(&mut self, at: usize, before: &[String]) -> usize {
        let line = self.tokens.get(at).map_or(0, |token| token.line);
        let (names, mut end) = self.path(at);
        let is_own = !before.is_empty() && names == ["self"];
        let path = before.iter().cloned().chain(names.into_iter().filter(|_| !is_own)).collect::<Vec<_>>();
        let name = match self.kind(end) {
            Some(Kind::Sign('{')) => {
                end += 1;
                while !matches!(self.kind(end), Some(Kind::Sign('}')) | None) {
                    end = self.tree(end, &path).max(end + 1);
                    end += usize::from(self.kind(end) == Some(Kind::Sign(',')));
                }
                return end + 1;
            }
            Some(Kind::Sign('*')) => {
                end += 1;
                None
            }
            Some(Kind::Word("as")) => {
                end += 2;
                word_at(self.tokens, end - 1).map(str::to_owned)
            }
            Some(Kind::Word(_) | Kind::Sign(_) | Kind::Text(_) | Kind::Path) | None => path.last().cloned(),
        };
        self.source.imports.push(Import { mention: Mention { within: self.module.clone(), line, path }, name });
        end
    }

    /// A string of an attribute: a path of Rust, or that of a file.
    fn string(&mut self, text: &str, line: usize) {
        if let Some(file) = text.strip_prefix('/') {
            self.source.files.push((line, file.to_owned()));
        } else if text.split_once("::").is_some_and(|(head, _)| matches!(head, "crate" | "super" | "self")) {
            let path = text.split("::").map(str::to_owned).collect();
            self.source.mentions.push(Mention { within: self.module.clone(), line, path });
        }
    }
}
