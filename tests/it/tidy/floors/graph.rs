//! Files and the arrows between them: which point up, and which make a circle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A file uses something of another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    /// The file that uses it, and in which line.
    pub from: String,
    pub line: usize,
    /// What is used, as it is written there.
    pub what: String,
    /// The file that has it.
    pub to: String,
}

/// A floor: its name, and its files, each by its path or by that of a folder they are under.
pub type Floor = (&'static str, &'static [&'static str]);

/// On which floor each file is, the lowest being 0. What is on none or on several is returned as findings, and so is an
/// entry of the table that no file is under.
pub fn settle<'a>(files: &[&'a str], floors: &[Floor]) -> (BTreeMap<&'a str, usize>, Vec<String>) {
    let (mut settled, mut findings) = (BTreeMap::new(), Vec::new());
    let mut unused = floors.iter().flat_map(|(_, entries)| *entries).collect::<BTreeSet<_>>();
    for file in files {
        let mut on = BTreeSet::new();
        for (floor, (_, entries)) in floors.iter().enumerate() {
            for entry in entries.iter().filter(|entry| is_under(file, entry)) {
                on.insert(floor);
                unused.remove(entry);
            }
        }
        match on.iter().collect::<Vec<_>>()[..] {
            [floor] => {
                settled.insert(*file, *floor);
            }
            [] => findings.push(format!("{file}: on no floor; give it one in the table of tests/it/tidy/floors.rs")),
            [..] => {
                let names = on.iter().map(|floor| floors[*floor].0).collect::<Vec<_>>();
                findings.push(format!("{file}: on several floors: {}", names.join(", ")));
            }
        }
    }
    findings.extend(unused.into_iter().map(|entry| format!("{entry}: has a floor, but there is no such file")));
    (settled, findings)
}

fn is_under(file: &str, entry: &str) -> bool {
    if entry.ends_with('/') { file.starts_with(entry) } else { file == entry }
}

/// The arrows from a file to one of a higher floor.
pub fn upward(arrows: &[Arrow], settled: &BTreeMap<&str, usize>, floors: &[Floor]) -> Vec<String> {
    let mut findings = Vec::new();
    for Arrow { from, line, what, to } in arrows {
        let (Some(low), Some(high)) = (settled.get(from.as_str()), settled.get(to.as_str())) else { continue };
        if low < high {
            let (low, high) = (floors[*low].0, floors[*high].0);
            findings.push(format!("{from}:{line}: `{what}` points up, from `{low}` to `{high}` ({to})"));
        }
    }
    findings
}

/// Each file's shortest way back to itself, and every circle once.
pub fn circles(arrows: &[Arrow]) -> Vec<Vec<&Arrow>> {
    let mut outgoing = BTreeMap::<&str, BTreeMap<&str, &Arrow>>::new();
    for arrow in arrows.iter().filter(|arrow| arrow.from != arrow.to) {
        // Of several arrows between the same files the first one tells.
        outgoing.entry(&arrow.from).or_default().entry(&arrow.to).or_insert(arrow);
    }
    let (mut circles, mut seen) = (Vec::new(), BTreeSet::new());
    for start in outgoing.keys() {
        if let Some(circle) = way_back(start, &outgoing) {
            let files = circle.iter().map(|arrow| arrow.from.as_str()).collect::<BTreeSet<_>>();
            if seen.insert(files) {
                circles.push(circle);
            }
        }
    }
    circles
}

fn way_back<'a>(start: &str, outgoing: &BTreeMap<&'a str, BTreeMap<&'a str, &'a Arrow>>) -> Option<Vec<&'a Arrow>> {
    let mut reached_by = BTreeMap::<&str, &Arrow>::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for (to, arrow) in outgoing.get(file).into_iter().flatten() {
            if !reached_by.contains_key(to) {
                reached_by.insert(to, arrow);
                queue.push_back(to);
            }
        }
    }
    let mut circle = vec![*reached_by.get(start)?];
    while let Some(first) = circle.first().filter(|first| first.from != start) {
        let before = *reached_by.get(first.from.as_str())?;
        circle.insert(0, before);
    }
    Some(circle)
}

/// A circle as a finding: the way round, and which line takes each step.
pub fn told(circle: &[&Arrow]) -> String {
    let files = circle.iter().map(|arrow| arrow.from.as_str()).collect::<Vec<_>>();
    let mut text = format!("{} -> {}: a circle", files.join(" -> "), files[0]);
    for Arrow { from, line, what, to } in circle {
        text += &format!("\n    {from}:{line}: `{what}` is in {to}");
    }
    let is_child_of = |child: &str, parent: &str| {
        parent
            .strip_suffix(".rs")
            .is_some_and(|folder| child.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    };
    for child in &files {
        for parent in files.iter().filter(|parent| is_child_of(child, parent)) {
            text +=
                &format!("\n    {child} is a child of {parent}: either may use the other, not both. What both need");
            text += " belongs in a file of its own below them.";
        }
    }
    text
}
