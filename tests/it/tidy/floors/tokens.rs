//! Rust and TypeScript as far as imports go: words, strings and signs, each with its line. Comments are left out.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A name or a keyword.
    Word(&'a str),
    /// What stands between the quotes of a string.
    Text(&'a str),
    /// `::`.
    Path,
    /// Any other sign.
    Sign(char),
}

#[derive(Debug, Clone, Copy)]
pub struct Token<'a> {
    pub kind: Kind<'a>,
    pub line: usize,
}

/// What stands at the beginning of the text: how many bytes it has, and what it is if it counts.
type Next<'a> = (usize, Option<Kind<'a>>);

pub fn of_rust(text: &str) -> Vec<Token<'_>> {
    all(text, |rest, _| next_of_rust(rest))
}

pub fn of_script(text: &str) -> Vec<Token<'_>> {
    all(text, next_of_script)
}

fn all<'a>(text: &'a str, next: impl Fn(&'a str, Option<Kind<'a>>) -> Next<'a>) -> Vec<Token<'a>> {
    let (mut tokens, mut rest, mut line) = (Vec::<Token<'_>>::new(), text, 1);
    while !rest.is_empty() {
        let (length, kind) = next(rest, tokens.last().map(|token| token.kind));
        tokens.extend(kind.map(|kind| Token { kind, line }));
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

fn next_of_rust(rest: &str) -> Next<'_> {
    if let Some(length) = comment(rest, true) {
        return (length, None);
    }
    if let Some((length, text)) = rust_string(rest) {
        return (length, Some(Kind::Text(text)));
    }
    if rest.starts_with('\'') {
        return (char_or_lifetime(rest), None);
    }
    if rest.starts_with("::") {
        return (2, Some(Kind::Path));
    }
    let raw = if rest.starts_with("r#") { 2 } else { 0 };
    match word(&rest[raw..]) {
        Some(word) => (raw + word.len(), Some(Kind::Word(word))),
        None => sign(rest),
    }
}

fn next_of_script<'a>(rest: &'a str, before: Option<Kind<'a>>) -> Next<'a> {
    if let Some(length) = comment(rest, false) {
        return (length, None);
    }
    let first = rest.chars().next().unwrap_or_default();
    if first == '/'
        && begins_expression(before)
        && let Some(length) = regular_expression(rest)
    {
        // It is a value, so that a `/` behind it divides.
        return (length, Some(Kind::Text("")));
    }
    if first == '`' {
        return (template(rest), Some(Kind::Text("")));
    }
    if matches!(first, '"' | '\'') {
        // One that does not end in its line is none: an apostrophe in the text of JSX.
        let line = rest.lines().next().unwrap_or_default();
        return match closing(&line[1..], first) {
            Some(end) => (end + 2, Some(Kind::Text(&line[1..=end]))),
            None => (1, None),
        };
    }
    match word(rest) {
        Some(word) => (word.len(), Some(Kind::Word(word))),
        None => sign(rest),
    }
}

fn sign(rest: &str) -> Next<'_> {
    let first = rest.chars().next().unwrap_or_default();
    (first.len_utf8(), Some(Kind::Sign(first)).filter(|_| !first.is_whitespace()))
}

/// A name, a keyword or a number.
fn word(rest: &str) -> Option<&str> {
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    Some(&rest[..end]).filter(|word| !word.is_empty())
}

fn comment(rest: &str, nests: bool) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (1, 2);
    while depth > 0 && at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
        } else if nests && here.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else {
            at += 1;
        }
    }
    Some(at)
}

/// A string of any kind, with its length and what it holds.
fn rust_string(rest: &str) -> Option<(usize, &str)> {
    let body = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    if let Some(raw) = body.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if let Some(text) = raw[hashes..].strip_prefix('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let end = text.find(&close).unwrap_or(text.len());
            let length = rest.len() - text.len() + end + close.len();
            return Some((length.min(rest.len()), &text[..end]));
        }
    }
    let text = body.strip_prefix('"')?;
    let end = closing(text, '"').unwrap_or(text.len());
    Some(((rest.len() - text.len() + end + 1).min(rest.len()), &text[..end]))
}

/// Where the quote stands that ends what begins here.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    let mut ends = text.char_indices().filter(|(_, c)| {
        let was_escaped = is_escaped;
        is_escaped = *c == '\\' && !was_escaped;
        *c == quote && !was_escaped
    });
    ends.next().map(|(at, _)| at)
}

fn char_or_lifetime(rest: &str) -> usize {
    let mut chars = rest[1..].chars();
    let first = chars.next().unwrap_or_default();
    if first == '\\' || chars.next() == Some('\'') {
        return closing(&rest[1..], '\'').map_or(rest.len(), |end| end + 2);
    }
    1 + word(&rest[1..]).map_or(0, str::len)
}

/// Whether a `/` behind this begins a regular expression and does not divide.
fn begins_expression(before: Option<Kind<'_>>) -> bool {
    match before {
        Some(Kind::Word(word)) => ["return", "typeof", "case", "in", "of", "await", "yield", "void"].contains(&word),
        Some(Kind::Text(_)) => false,
        Some(Kind::Sign(sign)) => !matches!(sign, ')' | ']' | '}' | '<'),
        Some(Kind::Path) | None => true,
    }
}

fn regular_expression(rest: &str) -> Option<usize> {
    let line = rest.lines().next().unwrap_or_default();
    let (mut is_escaped, mut in_class) = (false, false);
    for (at, c) in line.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '/' if !in_class => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The length of a template, what is filled in included.
fn template(rest: &str) -> usize {
    let mut at = 1;
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with('`') {
            return at + 1;
        }
        if here.starts_with("${") {
            at += 2 + filled_in(&rest[at + 2..]);
        } else {
            let escape = usize::from(here.starts_with('\\'));
            at += here.chars().take(1 + escape).map(char::len_utf8).sum::<usize>();
        }
    }
    rest.len()
}

/// The length of what is filled into a template, up to and with its `}`.
fn filled_in(rest: &str) -> usize {
    let (mut at, mut depth, mut before) = (0, 1, None);
    while at < rest.len() {
        let (length, kind) = next_of_script(&rest[at..], before);
        at += length;
        before = kind.or(before);
        match kind {
            Some(Kind::Sign('{')) => depth += 1,
            Some(Kind::Sign('}')) => depth -= 1,
            Some(Kind::Sign(_) | Kind::Word(_) | Kind::Text(_) | Kind::Path) | None => {}
        }
        if depth == 0 {
            break;
        }
    }
    at
}
