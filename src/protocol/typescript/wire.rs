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
/// Types by their names, and where in the wire's file each of them stands.
type Places = BTreeMap<String, Vec<String>>;

/// What every problem has; the file names it in the place of problems.
const BESIDE: [&str; 4] = ["title", "status", "code", "detail"];
const KINDS: [&str; 6] = ["null", "boolean", "number", "string", "array", "object"];

/// Types of what the room says that stand elsewhere in the wire's file than their names tell, and where.
const SAID: [(&str, &[&str]); 13] = [
    ("SyncResponseFrame", &["sync_response", "GET /state", "GET /changes, of what is not known any more"]),
    ("ChangesFrame", &["changes", "GET /events, data"]),
    ("ChangesPage", &["GET /changes"]),
    ("FieldWritten", &["PUT and DELETE /fields/{field}"]),
    ("FieldsWritten", &["PATCH /state"]),
    ("Problem", &["a problem, beside title, status, code and detail"]),
    ("WireParticipant", &["a participant"]),
    ("ParticipantRecord", &["the participant of a change"]),
    ("StoredSelection", &["a selection"]),
    ("PresenceEntry", &["an entry of presence"]),
    ("Limits", &["the limits"]),
    ("UserJoined", &["somebody who joined"]),
    ("UserLeft", &["somebody who left"]),
];
/// The same for what clients say.
const TAKEN: [(&str, &[&str]); 9] = [
    ("NewSelection", &["field_selected.selection", "batch.changes[] field_selected.selection"]),
    ("FieldSelectedInBatch", &["batch.changes[] field_selected"]),
    ("FieldClearedInBatch", &["batch.changes[] field_cleared"]),
    ("FieldPut", &["PUT /fields/{field}", "PUT /fields/{field}, numbered"]),
    ("StatePatch", &["PATCH /state", "PATCH /state, numbered"]),
    (
        "FieldSelectedInPatch",
        &["PATCH /state.changes[] field_selected", "PATCH /state, numbered.changes[] field_selected"],
    ),
    (
        "FieldClearedInPatch",
        &["PATCH /state.changes[] field_cleared", "PATCH /state, numbered.changes[] field_cleared"],
    ),
    (
        "PatchSelection",
        &[
            "PATCH /state.changes[] field_selected.selection",
            "PATCH /state, numbered.changes[] field_selected.selection",
        ],
    ),
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
fn on_the_wire(wire: &BTreeMap<String, BTreeMap<String, String>>, places: &[String]) -> Members {
    let shapes = places.iter().map(|place| wire.get(place).expect("every place is in the file"));
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
fn assert_same(side: &Side, types: &Types, places: &Places) {
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
    let typed = places.values().flatten().collect::<BTreeSet<_>>();
    assert_eq!(typed, wire.keys().collect(), "each place has a type");
}

/// The places of what clients send: of the messages by their tags, and further ones.
fn taken(types: &Types) -> Places {
    let tagged = types.family("ClientFrame").into_iter().map(|(name, tag)| (name.to_owned(), vec![tag.to_owned()]));
    tagged.chain(TAKEN.map(listed)).collect()
}

/// The places of all objects that clients do not send, so that none is left out: those of [`SAID`], frames and changes by
/// their tags, and of anything else the words of its name.
fn said(types: &Types) -> Places {
    let taken = taken(types);
    let objects = types.0.values().filter(|declaration| matches!(declaration.shape, Shape::Object(_)));
    let objects = objects.map(|declaration| &declaration.name).filter(|name| !taken.contains_key(*name));
    let mut places = objects.map(|name| (name.clone(), vec![format!("a {}", words(name))])).collect::<Places>();
    let tagged = |(name, tag): (&str, &str)| (name.to_owned(), vec![tag.to_owned()]);
    places.extend(types.family("ServerFrame").into_iter().map(tagged));
    let of_kind = |(name, tag): (&str, &str)| (name.to_owned(), vec![format!("a change of the kind {tag}")]);
    places.extend(types.family("Change").into_iter().map(of_kind));
    places.extend(SAID.map(listed));
    places
}

fn listed((name, places): (&str, &[&str])) -> (String, Vec<String>) {
    (name.to_owned(), places.iter().map(|place| (*place).to_owned()).collect())
}

/// `PermissionRequest` as `permission request`.
fn words(name: &str) -> String {
    let word = |c: char| if c.is_uppercase() { format!(" {}", c.to_lowercase()) } else { c.to_string() };
    name.chars().map(word).collect::<String>().trim_start().to_owned()
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
    assert_same(&side, &types, &said(&types));
}

#[test]
fn y4_what_the_types_of_the_sdk_allow_the_room_takes() {
    let types = Types::new();
    let side = Side {
        name: "what clients say",
        is_left_out: |_, member| member == "type",
        fits: |typed, seen| typed.is_subset(seen),
    };
    assert_same(&side, &types, &taken(&types));
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
