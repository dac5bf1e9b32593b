//! The SDK's types against the wire: `tests/vectors/wire-1.json`, which `tests/it/vectors/wire.rs` finds out from what
//! the room says and takes, and the codes that PROTOCOL.md lists.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::PROTOCOL;

use super::syntax::{Declaration, Object, Shape};
use super::{Generator, tag_of};

/// Each object by its place, and its members with the kinds of JSON that they may be.
type Wire = BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>;
/// The members of an object: whether each may be missing, and which kinds of JSON it may be.
type Members = BTreeMap<String, (bool, BTreeSet<&'static str>)>;

/// What every problem has; the file names it in the place of problems.
const BESIDE: [&str; 4] = ["title", "status", "code", "detail"];
const KINDS: [&str; 6] = ["null", "boolean", "number", "string", "array", "object"];

/// Types that do not stand in the wire's file under their tag alone, and where they stand.
const SAID: [(&str, &[&str]); 16] = [
    ("SyncResponseFrame", &["sync_response", "GET /state", "GET /changes, of what is not known any more"]),
    ("ChangesFrame", &["changes", "GET /events, data"]),
    ("ChangesPage", &["GET /changes"]),
    ("FieldWritten", &["PUT and DELETE /fields/{field}"]),
    ("Problem", &["a problem, beside title, status, code and detail"]),
    ("FieldChange", &["a change of the kind field"]),
    ("ParticipantChange", &["a change of the kind participant"]),
    ("RequestChange", &["a change of the kind request"]),
    ("GrantChange", &["a change of the kind grant"]),
    ("WireParticipant", &["a participant"]),
    ("ParticipantRecord", &["the participant of a change"]),
    ("Permission", &["a permission"]),
    ("PermissionRequest", &["a permission request"]),
    ("StoredSelection", &["a selection"]),
    ("PresenceEntry", &["an entry of presence"]),
    ("Limits", &["the limits"]),
];
/// The same for what clients say.
const TAKEN: [(&str, &[&str]); 5] = [
    ("NewSelection", &["field_selected.selection", "batch.changes[] field_selected.selection"]),
    ("FieldSelectedInBatch", &["batch.changes[] field_selected"]),
    ("FieldClearedInBatch", &["batch.changes[] field_cleared"]),
    ("FieldPut", &["PUT /fields/{field}", "PUT /fields/{field}, numbered"]),
    ("FieldDelete", &["DELETE /fields/{field}", "DELETE /fields/{field}, numbered"]),
];

struct Types(BTreeMap<String, Declaration>);

impl Types {
    fn new() -> Self {
        Self(Generator::new().all().into_iter().map(|declaration| (declaration.name.clone(), declaration)).collect())
    }

    fn shape(&self, name: &str) -> &Shape {
        self.0.get(name).map(|declaration| &declaration.shape).expect("every type that is asked for is in the file")
    }

    /// The types of a union of named objects, each with its tag.
    fn family(&self, name: &str) -> Vec<(&str, &str)> {
        let names = self.shape(name).names();
        names.into_iter().map(|name| (name, tag_of(self.shape(name)))).collect()
    }

    /// Which kinds of JSON fit a type.
    fn kinds(&self, shape: &Shape) -> BTreeSet<&'static str> {
        match shape {
            Shape::List(_) => BTreeSet::from(["array"]),
            Shape::Object(_) => BTreeSet::from(["object"]),
            Shape::Union(options) => options.iter().flat_map(|option| self.kinds(option)).collect(),
            Shape::Name(name) if name.starts_with('"') => BTreeSet::from(["string"]),
            Shape::Name(name) if name == "typeof PROTOCOL" => BTreeSet::from(["number"]),
            Shape::Name(name) => match KINDS.iter().find(|kind| *kind == name) {
                Some(kind) => BTreeSet::from([*kind]),
                None => self.kinds(self.shape(name)),
            },
        }
    }

    fn members(&self, name: &str) -> Members {
        let object = match self.shape(name) {
            Shape::Object(Object { members, .. }) => Some(members),
            Shape::Name(_) | Shape::List(_) | Shape::Union(_) => None,
        };
        let members = object.expect("only objects are looked at").iter();
        members.map(|member| (member.name.clone(), (member.is_optional, self.kinds(&member.shape)))).collect()
    }
}

/// What the wire has at all of these places together: a member that is not at all of them may be missing.
fn on_the_wire(wire: &BTreeMap<String, BTreeMap<String, String>>, places: &[&str]) -> Members {
    let shapes = places.iter().map(|place| wire.get(*place).expect("every place is in the file"));
    let mut members = BTreeMap::<String, (usize, BTreeSet<&str>)>::new();
    for (name, kinds) in shapes.flatten() {
        let (count, seen) = members.entry(name.trim_end_matches('?').to_owned()).or_default();
        *count += usize::from(!name.ends_with('?'));
        for kind in kinds.split('|') {
            match kind {
                "any" => seen.extend(KINDS),
                "integer" | "negative" | "fraction" => seen.extend(["number"]),
                kind => seen.extend(KINDS.into_iter().filter(|known| *known == kind)),
            }
        }
    }
    members.into_iter().map(|(name, (count, kinds))| (name, (count < places.len(), kinds))).collect()
}

fn wire() -> Wire {
    let path = format!("{}/tests/vectors/wire-{PROTOCOL}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("each protocol has a file")).expect("it is well-formed")
}

/// One side of the wire, and what the file says of it.
struct Side {
    name: &'static str,
    /// Members that the file leaves out.
    is_left_out: fn(&str, &str) -> bool,
    /// Whether what a type allows goes with the kinds of JSON that are on the wire.
    fits: fn(&BTreeSet<&str>, &BTreeSet<&str>) -> bool,
}

/// Each type is what the wire has at its places, and each place has a type.
fn assert_same(side: &Side, types: &Types, places: &BTreeMap<&str, &[&str]>) {
    let wire = wire();
    let wire = wire.get(side.name).expect("the file has both sides");
    let optional = |members: &Members| {
        let members = members.iter().map(|(name, (is_optional, _))| (name.clone(), *is_optional));
        members.collect::<BTreeMap<_, _>>()
    };
    for (name, places) in places {
        let mut typed = types.members(name);
        typed.retain(|member, _| !(side.is_left_out)(name, member));
        let seen = on_the_wire(wire, places);
        assert_eq!(optional(&typed), optional(&seen), "{name}: its members, and whether each may be missing");
        for ((member, (_, kinds)), (_, seen)) in typed.iter().zip(seen.values()) {
            assert!((side.fits)(kinds, seen), "{name}: {member} is {kinds:?}, and {seen:?} on the wire");
        }
    }
    let typed = places.values().flat_map(|places| places.iter().copied()).collect::<BTreeSet<_>>();
    assert_eq!(typed, wire.keys().map(String::as_str).collect(), "each place has a type");
}

/// The places of a union's types, which are called as their tags, and further ones.
fn places<'a>(family: &'a [(&str, &str)], others: &'a [(&str, &[&str])]) -> BTreeMap<&'a str, &'a [&'a str]> {
    let tagged = family.iter().map(|(name, tag)| (*name, std::slice::from_ref(tag)));
    tagged.chain(others.iter().copied()).collect()
}

#[test]
fn y4_what_the_room_says_fits_the_types_of_the_sdk() {
    let types = Types::new();
    assert!(BESIDE.iter().all(|member| types.members("Problem").contains_key(*member)));
    let side = Side {
        name: "what the room says",
        is_left_out: |name, member| name == "Problem" && BESIDE.contains(&member),
        fits: |typed, seen| seen.is_subset(typed),
    };
    assert_same(&side, &types, &places(&types.family("ServerFrame"), &SAID));
}

#[test]
fn y4_what_the_types_of_the_sdk_allow_the_room_takes() {
    let types = Types::new();
    let side = Side {
        name: "what clients say",
        is_left_out: |_, member| member == "type",
        fits: |typed, seen| typed.is_subset(seen),
    };
    assert_same(&side, &types, &places(&types.family("ClientFrame"), &TAKEN));
}

#[test]
fn y4_every_type_of_the_sdk_is_held_to_the_wire() {
    let types = Types::new();
    let (said, taken) = (types.family("ServerFrame"), types.family("ClientFrame"));
    let held = places(&said, &SAID).into_keys().chain(places(&taken, &TAKEN).into_keys()).collect::<BTreeSet<_>>();
    let objects = types.0.values().filter(|declaration| matches!(declaration.shape, Shape::Object(_)));
    assert_eq!(objects.map(|declaration| declaration.name.as_str()).collect::<BTreeSet<_>>(), held);
}

#[test]
fn f4_and_h5_the_codes_are_those_of_the_protocol() {
    let protocol = include_str!("../../../PROTOCOL.md");
    let table = protocol.lines().skip_while(|line| *line != "## Codes").filter_map(|line| line.strip_prefix("| `"));
    let listed = table.filter_map(|row| row.split_once(" | ")).flat_map(|(codes, _)| codes.split(", "));
    let listed = listed.map(|code| code.trim_matches(['`', ' '])).collect::<Vec<_>>();
    let types = Types::new();
    let typed = ["RefusalCode", "OtherCode"].into_iter().flat_map(|name| types.shape(name).names());
    let typed = typed.map(|code| code.trim_matches('"')).collect::<Vec<_>>();
    let once = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(once(&typed), once(&listed));
    assert_eq!((typed.len(), listed.len()), (once(&typed).len(), once(&listed).len()), "each code stands there once");
}
