//! Patterns of names (K2): parts between slashes, of which some may be `*`.

/// A pattern. `items/*/price` is that cell of every row of `items`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
}

impl Pattern {
    /// A pattern as a definition gives it.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    /// As it is in the definition.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it stands for several names.
    pub fn has_stars(&self) -> bool {
        self.stars().any(|is_star| is_star)
    }

    /// For each part, whether it is a `*`. Of two patterns that match a name, the one that is less by this is the closer
    /// one: part by part from the left, a literal goes before a `*`.
    pub fn stars(&self) -> impl Iterator<Item = bool> {
        self.text.split('/').map(|part| part == "*")
    }

    /// What each `*` stands for in a name, in order. `None`: the name does not match.
    pub fn matched<'a>(&self, name: &'a str) -> Option<Vec<&'a str>> {
        let (mut parts, mut matched) = (name.split('/'), Vec::new());
        for pattern in self.text.split('/') {
            let part = parts.next()?;
            if pattern == "*" {
                matched.push(part);
            } else if pattern != part {
                return None;
            }
        }
        parts.next().is_none().then_some(matched)
    }

    /// Whether a name matches.
    pub fn matches(&self, name: &str) -> bool {
        self.matched(name).is_some()
    }

    /// The name with these in place of the `*`.
    pub fn filled(&self, matched: &[&str]) -> String {
        let mut matched = matched.iter();
        let parts =
            self.text.split('/').map(|part| if part == "*" { matched.next().copied().unwrap_or(part) } else { part });
        parts.collect::<Vec<_>>().join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k2_a_star_is_one_part() {
        for (pattern, name, matched) in [
            ("price", "price", Some(vec![])),
            ("price", "price/", None),
            ("*", "price", Some(vec!["price"])),
            ("*", "", Some(vec![""])),
            ("*", "a/b", None),
            ("items/*/price", "items/7/price", Some(vec!["7"])),
            ("items/*/price", "items/7/cost", None),
            ("items/*/price", "items/7", None),
            ("*/*", "a/b", Some(vec!["a", "b"])),
            ("a*", "ab", None),
        ] {
            assert_eq!(Pattern::new(pattern).matched(name), matched, "{pattern} {name}");
        }
        assert_eq!(Pattern::new("lines/*/cost").filled(&["7"]), "lines/7/cost");
    }
}
