//! What goes over the wire in this protocol, found out from what the room says and takes, against
//! `tests/vectors/wire-1.json`.

use std::collections::{BTreeMap, BTreeSet};

use roomkeep::protocol::PROTOCOL;
use roomkeep::protocol::decode::Frame;
use roomkeep::protocol::feed::{Feed, Position, Step};
use roomkeep::protocol::frames::ClientMessage;
use roomkeep::protocol::frames::fields::{FieldChange, Selection};
use roomkeep::protocol::frames::people::Join;
use roomkeep::protocol::frames::permission::{self, PermissionMessage, Response};
use roomkeep::protocol::frames::sync::Hello;
use roomkeep::protocol::limits::Limits;
use roomkeep::protocol::role::Role;
use roomkeep::protocol::write::{HttpWrite, RoomWrite, Verb, WriteHeaders};
use roomkeep::room::settings::Settings;
use roomkeep::room::turn::Written;
use roomkeep::room::views::Since;
use serde_json::{Map, Value, json};

use super::sessions;
use crate::kinds;
use crate::say;
use crate::world::Site;

/// Members whose JSON is the page's own, whatever it is.
const OWN: [&str; 3] = ["value", "data", "detail"];
/// Members that the pages of the sessions have added.
const ADDED: [&str; 2] = ["color", "note"];

/// What an object inside of another is called. One that stands in several frames looks the same in all of them.
fn name_of(key: &str, object: &Map<String, Value>) -> String {
    match (key, object.get("kind").and_then(Value::as_str)) {
        ("changes", Some(kind)) => format!("a change of the kind {kind}"),
        ("selection" | "selections" | "current", _) => "a selection".to_owned(),
        ("request" | "requests", _) => "a permission request".to_owned(),
        ("grant" | "permissions", _) => "a permission".to_owned(),
        ("participant", _) => "the participant of a change".to_owned(),
        ("participants", _) => "a participant".to_owned(),
        ("presence", _) => "an entry of presence".to_owned(),
        ("limits", _) => "the limits".to_owned(),
        ("joined", _) => "somebody who joined".to_owned(),
        ("left", _) => "somebody who left".to_owned(),
        ("kind", _) => "a room kind".to_owned(),
        (key, _) => panic!("an object that has no name yet, at `{key}`: {object:?}"),
    }
}

/// Each object by its place, and its members with the kinds of JSON that they may be.
type Shapes = BTreeMap<String, BTreeMap<String, String>>;

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "fraction",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn joined(kinds: impl IntoIterator<Item = &'static str>) -> String {
    kinds.into_iter().collect::<Vec<_>>().join("|")
}

/// The objects of one place, as far as they were seen.
#[derive(Default)]
struct Seen {
    count: usize,
    members: BTreeMap<String, (usize, BTreeSet<&'static str>)>,
}

/// What was seen on the wire.
#[derive(Default)]
struct Sight(BTreeMap<String, Seen>);

impl Sight {
    fn look(&mut self, place: &str, object: &Map<String, Value>) {
        let seen = self.0.entry(place.to_owned()).or_default();
        seen.count += 1;
        let members = object.iter().filter(|(key, _)| !ADDED.contains(&key.as_str())).collect::<Vec<_>>();
        for (key, value) in &members {
            let (count, kinds) = seen.members.entry((*key).clone()).or_default();
            *count += 1;
            kinds.insert(if OWN.contains(&key.as_str()) { "any" } else { kind(value) });
        }
        for (key, value) in members.into_iter().filter(|(key, _)| !OWN.contains(&key.as_str())) {
            let objects = match value {
                Value::Object(map) if key == "selections" => map.values().collect(),
                Value::Array(items) => items.iter().collect(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => vec![value],
            };
            for object in objects.into_iter().filter_map(Value::as_object) {
                self.look(&name_of(key, object), object);
            }
        }
    }

    fn look_at_text(&mut self, place: &str, text: &str) {
        self.look(place, serde_json::from_str::<Value>(text).unwrap().as_object().unwrap());
    }

    fn shapes(self) -> Shapes {
        let members = |seen: Seen| {
            let members = seen.members.into_iter().map(|(key, (count, kinds))| {
                let mark = if count < seen.count { "?" } else { "" };
                (format!("{key}{mark}"), joined(kinds))
            });
            members.collect()
        };
        self.0.into_iter().map(|(place, seen)| (place, members(seen))).collect()
    }
}

/// What the room says: its frames, and its answers over HTTP as far as the core makes them.
fn server() -> Shapes {
    let mut sight = Sight::default();
    for frame in sessions::frames() {
        let place = frame["type"].as_str().unwrap().to_owned();
        sight.look(&place, frame.as_object().unwrap());
    }
    look_at_http(&mut sight);
    look_at_people(&mut sight);
    look_at_rates(&mut sight);
    look_at_kinds(&mut sight);
    sight.shapes()
}

/// People who come and go together (J9), which is no step of a session.
fn look_at_people(sight: &mut Sight) {
    let mut site = Site::new();
    for name in ["ann", "bob", "cid"] {
        site.connect(name);
        site.say(name, &format!(r#"{{"type":"hello","protocol":1,"clientId":"{name}"}}"#));
    }
    site.say("bob", &say::join("bob"));
    site.pass(1_000);
    site.take("ann");
    site.say_at_once("ann", &say::join("ann"));
    site.say_at_once("cid", &say::join("cid"));
    site.say_at_once("bob", &say::join_as("bob", "Robert"));
    site.leave_at_once("bob");
    site.pass(1_000);
    for text in site.take("ann").iter().filter(|text| text.starts_with(r#"{"type":"people""#)) {
        sight.look_at_text("people", text);
    }
}

/// What somebody is told who says too much.
fn look_at_rates(sight: &mut Sight) {
    let mut site = Site::with(Settings::default());
    site.connect("ann");
    (0..300).for_each(|_| site.say("ann", r#"{"type":"wave","id":1}"#));
    for text in site.take("ann").iter().filter(|text| text.contains("limit_rate")) {
        sight.look_at_text("error", text);
    }
}

/// What is told of a kind of rooms (K): a refusal, and what a lens has changed.
fn look_at_kinds(sight: &mut Sight) {
    let kind = |definition: &str| kinds::settings(definition);
    let schema = r#""price":{"schema":{"properties":{"amount":{"type":"integer"}}},"write":["editor"]}"#;
    let mut site = Site::with(kind(&format!(r#"{{"version":1,"fields":{{{schema},"old":{{}}}}}}"#)));
    site.connect("ann");
    site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"ann"}"#);
    site.say("ann", &say::set("ann", "price", r#"{"amount":"x"}"#));
    site.say("ann", &say::set("ann", "old", "1"));
    for text in site.take("ann").iter().filter(|text| !text.contains("sync_response")) {
        let frame = serde_json::from_str::<Value>(text).unwrap();
        sight.look(frame["type"].as_str().unwrap(), frame.as_object().unwrap());
    }
    let body = json!({"value": {"amount": "x"}, "userId": "ann"});
    let Written::Problem { members, .. } = site.write(Verb::Put, "price", &body.to_string(), None).unwrap() else {
        panic!("K3: it does not fit")
    };
    sight.look_at_text("a problem, beside title, status, code and detail", &serde_json::to_string(&members).unwrap());
    // Two who slept while the kind went on: one hears each change, the other all that has changed.
    site.connect("bob");
    let lens = r#""lenses":[{"to":2,"rename":{"old":"new"},"default":{"other":1}}]"#;
    let next = format!(r#"{{"version":2,"fields":{{{schema},"new":{{}},"other":{{}}}},{lens}}}"#);
    site.change_settings(kind(&next));
    site.say("bob", r#"{"type":"sync_request"}"#);
    for text in ["ann", "bob"].iter().flat_map(|name| site.take(name)).filter(|text| text.contains(r#""via":"lens""#)) {
        let frame = serde_json::from_str::<Value>(&text).unwrap();
        sight.look(frame["type"].as_str().unwrap(), frame.as_object().unwrap());
    }
}

fn look_at_http(sight: &mut Sight) {
    let mut site = Site::new();
    site.connect("ann");
    site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"ann"}"#);
    site.say("ann", &say::join("ann"));
    site.say("ann", r#"{"type":"presence","data":1}"#);
    let numbered = |seq: u64, base: u64| json!({"value": 1, "userId": "bob", "timestamp": 5, "baseVersion": base, "clientId": "b", "seq": seq});
    let mut write = |site: &mut Site, verb: Verb, field: &str, body: &Value, key: Option<&str>| {
        let written = site.write(verb, field, &body.to_string(), key).unwrap();
        let (place, text) = match written {
            Written::Done { body: text, .. } if verb == Verb::Patch => ("PATCH /state", text),
            Written::Done { body: text, .. } => ("PUT and DELETE /fields/{field}", text),
            Written::Problem { code: _, detail: _, members, tag: _ } => {
                ("a problem, beside title, status, code and detail", serde_json::to_string(&members).unwrap())
            }
        };
        sight.look_at_text(place, &text);
    };
    for _ in 0..2 {
        write(&mut site, Verb::Put, "f", &numbered(1, 0), None);
        write(&mut site, Verb::Delete, "g", &json!({"userId": "bob"}), Some("key"));
    }
    for _ in 0..2 {
        let changes = json!([
            {"type": "field_selected", "selection": {"field": "f", "value": 1}},
            {"type": "field_cleared", "field": "g"},
        ]);
        write(&mut site, Verb::Patch, "", &json!({"changes": changes, "userId": "bob"}), Some("key2"));
    }
    for body in [numbered(2, 9), numbered(2, 9), numbered(9, 0)] {
        write(&mut site, Verb::Put, "g", &body, None);
    }
    write(&mut site, Verb::Put, "f", &json!({"userId": "bob", "value": 1, "baseVersion": 1}), None);
    site.say("ann", &say::clear("ann", "nothing"));
    site.say("ann", &say::set("ann", "h", "1"));
    site.say("ann", &say::clear("ann", "h"));
    let now = site.now;
    let room = site.driver.read(&mut site.world, now).unwrap();
    sight.look_at_text("GET /state", &room.state(false, now));
    let page = |version| room.changes_page(&Since::Version(version, None), now);
    sight.look_at_text("GET /changes", &page(0));
    let reset = page(99);
    sight.look_at_text("GET /changes, of what is not known any more", &reset);
    let changes = site.ask("ann", r#"{"type":"sync_request","since":0}"#);
    for frame in [reset, changes] {
        let mut feed = Feed::new(Some(Position { version: 0, epoch: "epoch1".to_owned() }));
        let Step::Event(event) = feed.take(&frame) else { panic!("an event") };
        let data = event.lines().filter_map(|line| line.strip_prefix("data: "));
        sight.look_at_text("GET /events, data", &data.collect::<String>());
    }
}

/// One message of each type with all of its members.
const MESSAGES: [&str; 15] = [
    r#"{"type":"user_joined","userId":"ann","userName":"Ann","id":"i","seq":1}"#,
    r#"{"type":"user_ready","userId":"ann","isReady":true,"id":"i","seq":1}"#,
    r#"{"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":1},"baseVersion":0,"exact":true,"kind":1,"id":"i","seq":1}"#,
    r#"{"type":"field_cleared","field":"f","userId":"ann","baseVersion":0,"exact":true,"kind":1,"id":"i","seq":1}"#,
    r#"{"type":"batch","changes":[
        {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":1},"baseVersion":0,"exact":true},
        {"type":"field_cleared","field":"f","userId":"ann","baseVersion":0,"exact":true}],"kind":1,"id":"i","seq":1}"#,
    r#"{"type":"sync_request","since":0,"epoch":"e","userId":"ann","id":"i","seq":1}"#,
    r#"{"type":"hello","protocol":1,"clientId":"c","since":0,"epoch":"e","token":"t","kind":1,"id":"i"}"#,
    r#"{"type":"presence","data":1,"userId":"ann","id":"i","seq":1}"#,
    r#"{"type":"auth","token":"t","id":"i"}"#,
    r#"{"type":"kick","userId":"ann","id":"i","seq":1}"#,
    r#"{"type":"participant_removed","userId":"ann","id":"i","seq":1}"#,
    r#"{"type":"permission_request","requestId":"r","action":"a","detail":1,"ttlMs":5,"id":"i","seq":1}"#,
    r#"{"type":"permission_response","requestId":"r","userId":"ann","decision":"allow","scope":"once","reason":"x","id":"i","seq":1}"#,
    r#"{"type":"permission_cancelled","requestId":"r","id":"i","seq":1}"#,
    r#"{"type":"permission_revoked","userId":"ann","action":"a","id":"i","seq":1}"#,
];

/// The type of a message, with all that it can hold: what is new there does not compile here until there is an example
/// of it.
fn type_of(message: &ClientMessage) -> Option<&'static str> {
    match message {
        ClientMessage::Join(Join { user_id: _, user_name: _, profile: _ }) => Some("user_joined"),
        ClientMessage::Ready { user_id: _, is_ready: _ } => Some("user_ready"),
        ClientMessage::Change(FieldChange::Select(Selection {
            field: _,
            value: _,
            user_id: _,
            base_version: _,
            is_exact: _,
            timestamp: _,
            extra: _,
        })) => Some("field_selected"),
        ClientMessage::Change(FieldChange::Clear { field: _, user_id: _, base_version: _, is_exact: _ }) => {
            Some("field_cleared")
        }
        ClientMessage::Batch(_) => Some("batch"),
        ClientMessage::Hello(Hello { client_id: _, since: _, epoch: _, token: _, made_for: _ }) => Some("hello"),
        ClientMessage::Presence { data: _, user_id: _ } => Some("presence"),
        ClientMessage::Sync { since: _, epoch: _, user_id: _ } => Some("sync_request"),
        ClientMessage::Auth { token: _ } => Some("auth"),
        ClientMessage::Kick { user_id: _ } => Some("kick"),
        ClientMessage::Remove { user_id: _ } => Some("participant_removed"),
        ClientMessage::Permission(PermissionMessage::Request(permission::NewRequest {
            request_id: _,
            action: _,
            detail: _,
            time_to_live: _,
        })) => Some("permission_request"),
        ClientMessage::Permission(PermissionMessage::Response(Response {
            author: _,
            request_id: _,
            decision: _,
            scope: _,
            reason: _,
        })) => Some("permission_response"),
        ClientMessage::Permission(PermissionMessage::Cancel { request_id: _ }) => Some("permission_cancelled"),
        ClientMessage::Permission(PermissionMessage::Revoke { user_id: _, action: _ }) => Some("permission_revoked"),
        ClientMessage::OtherProtocol | ClientMessage::Relay { user_id: _, to: _ } => None,
    }
}

/// One of each kind of JSON, and of numbers that are not the same to the protocol.
fn samples() -> [(&'static str, Value); 8] {
    [
        ("null", Value::Null),
        ("boolean", json!(true)),
        ("integer", json!(1)),
        ("negative", json!(-1)),
        ("fraction", json!(1.5)),
        ("string", json!("x")),
        ("array", json!([])),
        ("object", json!({})),
    ]
}

/// What may stand in each object of a message, found out by changing one member at a time.
fn probe(place: &str, whole: &Value, at: &str, accepts: &dyn Fn(&Value) -> bool, shapes: &mut Shapes) {
    assert!(accepts(whole), "{whole}");
    let mut members = BTreeMap::new();
    for (key, value) in whole.pointer(at).unwrap().as_object().unwrap().iter().filter(|(key, _)| *key != "type") {
        let accepts_with = |changed: Option<Value>| {
            let mut other = whole.clone();
            let object = other.pointer_mut(at).unwrap().as_object_mut().unwrap();
            match changed {
                Some(value) => object.insert(key.clone(), value),
                None => object.remove(key),
            };
            accepts(&other)
        };
        let kinds =
            samples().into_iter().filter(|(name, sample)| kind(value) == *name || accepts_with(Some(sample.clone())));
        let kinds = kinds.map(|(name, _)| name).collect::<Vec<_>>();
        let kinds = if kinds.len() == samples().len() { "any".to_owned() } else { joined(kinds) };
        members.insert(format!("{key}{}", if accepts_with(None) { "?" } else { "" }), kinds);
        let below = format!("{at}/{key}");
        match value {
            Value::Object(_) => probe(&format!("{place}.{key}"), whole, &below, accepts, shapes),
            Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| {
                let place = format!("{place}.{key}[] {}", item["type"].as_str().unwrap());
                probe(&place, whole, &format!("{below}/{index}"), accepts, shapes);
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    shapes.insert(place.to_owned(), members);
}

/// What clients may say. The kind `negative` is an integer below 0.
fn client() -> Shapes {
    let mut shapes = Shapes::new();
    let limits = Limits::default();
    for message in MESSAGES {
        let whole = serde_json::from_str::<Value>(message).unwrap();
        let decoded = |message: &Value| Frame::decode(&message.to_string(), &limits).message;
        let name = type_of(&decoded(&whole).unwrap()).unwrap();
        assert_eq!(whole["type"], name);
        let accepts = |message: &Value| decoded(message).is_ok_and(|message| type_of(&message) == Some(name));
        probe(name, &whole, "", &accepts, &mut shapes);
    }
    let put = json!({"value": 1, "userId": "ann", "baseVersion": 0, "exact": true, "timestamp": 1, "clientId": "c",
        "kind": 1});
    let delete = json!({"userId": "ann", "baseVersion": 0, "exact": true, "clientId": "c", "kind": 1});
    let changes = json!([
        {"type": "field_selected", "selection": {"field": "f", "value": 1, "userId": "ann", "timestamp": 1},
         "baseVersion": 0, "exact": true},
        {"type": "field_cleared", "field": "f", "userId": "ann", "baseVersion": 0, "exact": true},
    ]);
    let patch = json!({"changes": changes, "userId": "ann", "clientId": "c", "kind": 1});
    for (verb, place, body) in [
        (Verb::Put, "PUT /fields/{field}", put),
        (Verb::Delete, "DELETE /fields/{field}", delete),
        (Verb::Patch, "PATCH /state", patch),
    ] {
        let accepts = |body: &Value| {
            let (body, query) = (body.to_string(), BTreeMap::new());
            let request = HttpWrite {
                verb,
                target: "f",
                user: None,
                role: Role::Moderator,
                claims: &[],
                is_declared: true,
                body: &body,
                query: &query,
                headers: WriteHeaders::default(),
            };
            RoomWrite::read(&request, &limits).is_ok_and(|write| write.frame.message.is_ok())
        };
        probe(place, &body, "", &accepts, &mut shapes);
        let mut numbered = body;
        numbered["seq"] = json!(1);
        probe(&format!("{place}, numbered"), &numbered, "", &accepts, &mut shapes);
    }
    shapes
}

/// The differences, one a line.
fn differences(title: &str, file: &Shapes, found: &Shapes) -> Vec<String> {
    let places = file.keys().chain(found.keys()).collect::<BTreeSet<_>>();
    let (none, mut lines) = (BTreeMap::new(), Vec::new());
    for place in places {
        let (file, found) = (file.get(place).unwrap_or(&none), found.get(place).unwrap_or(&none));
        for member in file.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
            let (before, now) = (file.get(member), found.get(member));
            if before != now {
                let or_none = |kinds: Option<&String>| kinds.map_or("nothing".to_owned(), |kinds| format!("`{kinds}`"));
                let (before, now) = (or_none(before), or_none(now));
                lines.push(format!("{title}: {place}: {member}: it was {before} and is {now}"));
            }
        }
    }
    lines
}

#[test]
fn y4_what_goes_over_the_wire_changes_only_with_the_protocol() {
    let path = format!("{}/tests/vectors/wire-{PROTOCOL}.json", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    let file = serde_json::from_str::<BTreeMap<String, Shapes>>(&file).unwrap_or_default();
    let found = [("what the room says", server()), ("what clients say", client())];
    let found = found.map(|(title, shapes)| (title.to_owned(), shapes));
    let none = Shapes::new();
    let lines = found.iter().flat_map(|(title, found)| differences(title, file.get(title).unwrap_or(&none), found));
    let lines = lines.collect::<Vec<_>>();
    let text = serde_json::to_string_pretty(&BTreeMap::from(found)).unwrap();
    assert!(
        lines.is_empty(),
        "The wire has changed, so clients of protocol {PROTOCOL} may not understand it:\n{}\n\
         Undo the change, or give `PROTOCOL` a new number and save this as the file of that number:\n{text}\n",
        lines.join("\n"),
    );
}
