//! Rooms that an older build wrote.

use roomkeep::driver::Platform;
use roomkeep::room::turn::Write;
use roomkeep::sql::{Row, Sql, Statement, StoreError};
use roomkeep::store;
use serde_json::{Value, json};

use super::assert_stored;
use crate::say;
use crate::world::{Site, Sqlite, database};

/// What has been run on rooms so far, from each schema to the next. Written down as text: rooms out there have had these
/// statements, so they stay as they are whatever becomes of the code, and a new schema adds a list of its own.
const STEPS: &[&[&str]] = &[
    &[
        "CREATE TABLE room (one INTEGER PRIMARY KEY CHECK (one = 1), schema INTEGER NOT NULL, epoch TEXT NOT NULL, floor INTEGER NOT NULL, touched INTEGER NOT NULL)",
        "CREATE TABLE field (name TEXT PRIMARY KEY, version INTEGER NOT NULL, updated_at INTEGER NOT NULL, user_id TEXT NOT NULL, selection TEXT) WITHOUT ROWID",
        "CREATE TABLE participant (user_id TEXT PRIMARY KEY, name TEXT NOT NULL, is_ready INTEGER NOT NULL, joined_at INTEGER NOT NULL, last_seen INTEGER NOT NULL, version INTEGER NOT NULL, profile TEXT NOT NULL) WITHOUT ROWID",
    ],
    &[
        "ALTER TABLE field ADD COLUMN client_id TEXT",
        "CREATE TABLE client (client_id TEXT PRIMARY KEY, user_id TEXT, last_seq INTEGER, seen INTEGER NOT NULL, outcomes TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE idempotency_key (user_id TEXT NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, outcome TEXT NOT NULL, PRIMARY KEY (user_id, name)) WITHOUT ROWID",
    ],
    &[
        "CREATE TABLE permission_request (user_id TEXT NOT NULL, request_id TEXT NOT NULL, action TEXT NOT NULL, detail TEXT, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, version INTEGER NOT NULL, settled_at INTEGER, settlement TEXT, PRIMARY KEY (user_id, request_id)) WITHOUT ROWID",
        "CREATE TABLE permission (user_id TEXT NOT NULL, action TEXT NOT NULL, request_id TEXT NOT NULL, granted_by TEXT NOT NULL, granted_at INTEGER NOT NULL, version INTEGER NOT NULL, ended_at INTEGER, PRIMARY KEY (user_id, action)) WITHOUT ROWID",
    ],
    &[],
    &["ALTER TABLE participant ADD COLUMN leaves_at INTEGER"],
    &["ALTER TABLE room ADD COLUMN kind INTEGER NOT NULL DEFAULT 0", "ALTER TABLE field ADD COLUMN lens_from INTEGER"],
];

/// SQLite that notes what is run on it.
struct Noted<'a> {
    sqlite: Sqlite<'a>,
    statements: Vec<String>,
}

impl Sql for Noted<'_> {
    fn run(&mut self, statement: &Statement) -> Result<Vec<Row>, StoreError> {
        self.statements.push(statement.0.to_owned());
        self.sqlite.run(statement)
    }
}

#[test]
fn a_new_room_gets_what_all_steps_together_make() {
    let statements = store::statements(vec![Write::Create]).into_iter().map(|(query, _)| query);
    assert_eq!(statements.collect::<Vec<_>>(), STEPS.concat());
}

#[test]
fn a_room_of_any_schema_goes_through_the_steps_that_it_lacks() {
    assert_eq!(store::schema_version(), STEPS.len() as i64);
    for (schema, lacking) in (1..=STEPS.len()).map(|schema| (schema, STEPS[schema..].concat())) {
        let db = database();
        db.execute_batch(&STEPS[..schema].concat().join(";")).unwrap();
        let room = "INSERT INTO room (one, schema, epoch, floor, touched) VALUES (1, ?, 'old', 2, 500)";
        db.execute(room, [schema as i64]).unwrap();
        let mut noted = Noted { sqlite: Sqlite(&db), statements: Vec::new() };
        assert!(store::load(&mut noted).unwrap().is_some());
        let writing = noted.statements.into_iter().filter(|query| !query.starts_with("SELECT ")).collect::<Vec<_>>();
        let is_old = schema < STEPS.len();
        assert_eq!(writing, [lacking, vec!["UPDATE room SET schema = ?"; usize::from(is_old)]].concat(), "{schema}");
    }
}

/// What the first release made of a room with two participants, a field and a tombstone. Written down as text: what
/// lies in storage does not change with the code.
const SCHEMA_1: &str = r#"
CREATE TABLE room (one INTEGER PRIMARY KEY CHECK (one = 1), schema INTEGER NOT NULL, epoch TEXT NOT NULL, floor INTEGER NOT NULL, touched INTEGER NOT NULL);
CREATE TABLE field (name TEXT PRIMARY KEY, version INTEGER NOT NULL, updated_at INTEGER NOT NULL, user_id TEXT NOT NULL, selection TEXT) WITHOUT ROWID;
CREATE TABLE participant (user_id TEXT PRIMARY KEY, name TEXT NOT NULL, is_ready INTEGER NOT NULL, joined_at INTEGER NOT NULL, last_seen INTEGER NOT NULL, version INTEGER NOT NULL, profile TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO room VALUES (1, 1, 'old', 2, 500);
INSERT INTO field VALUES ('f', 7, 700, 'ann', '{"field":"f","value":1.50,"userId":"ann","timestamp":null,"version":7,"updatedAt":700}');
INSERT INTO field VALUES ('g', 6, 600, 'bob', NULL);
INSERT INTO participant VALUES ('ann', 'Ann', 1, 100, 750, 4, '{"color":"red"}');
INSERT INTO participant VALUES ('bob', 'Bob', 0, 200, 800, 3, '{}');
"#;

fn old_room() -> Site {
    let site = Site::new();
    site.world.db.execute_batch(SCHEMA_1).unwrap();
    site
}

/// All that the database holds: the tables' own definitions and their rows.
fn content(site: &Site) -> Vec<String> {
    let mut statement = site.world.db.prepare("SELECT sql FROM sqlite_master ORDER BY name").unwrap();
    let tables = statement.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
    let tables = tables.filter_map(Result::unwrap).collect::<Vec<_>>();
    tables.into_iter().chain(site.world.dump()).collect()
}

fn schema(site: &Site) -> i64 {
    site.world.db.query_row("SELECT schema FROM room", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_room_of_schema_1_is_taken_over_with_all_it_holds() {
    let mut site = old_room();
    site.connect("ann");
    assert_eq!(schema(&site), store::schema_version());
    let state = site.sync("ann");
    assert_eq!((&state["version"], &state["epoch"]), (&json!(7), &json!("old")));
    assert_eq!(
        state["selections"],
        json!({"f": {"field": "f", "value": 1.50, "userId": "ann", "timestamp": null, "version": 7, "updatedAt": 700}})
    );
    let (ann, bob) = (&state["participants"][0], &state["participants"][1]);
    assert_eq!((&ann["name"], &ann["isReady"], &ann["color"]), (&json!("Ann"), &json!(true), &json!("red")));
    assert_eq!((&ann["joinedAt"], &ann["lastSeen"], &ann["version"]), (&json!(100), &json!(750), &json!(4)));
    assert_eq!((&bob["name"], &bob["lastSeen"]), (&json!("Bob"), &json!(800)));
    let since = |version| format!(r#"{{"type":"sync_request","since":{version},"epoch":"old"}}"#);
    let changes = serde_json::from_str::<Value>(&site.ask("ann", &since(5))).unwrap()["changes"].clone();
    assert_eq!((&changes[0]["field"], &changes[0]["selection"]), (&json!("g"), &Value::Null), "a tombstone");
    let reset = serde_json::from_str::<Value>(&site.ask("ann", &since(1))).unwrap();
    assert_eq!(reset["reset"], true, "below the floor");
    assert_stored(&site);
}

#[test]
fn a_room_of_schema_1_is_taken_over_once_and_then_keeps_what_is_new() {
    let mut site = old_room();
    site.world.load().unwrap();
    let (taken_over, rows) = (content(&site), site.world.db.total_changes());
    site.world.load().unwrap();
    assert_eq!((content(&site), site.world.db.total_changes()), (taken_over, rows));
    site.connect("ann");
    site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"a"}"#);
    site.say("ann", &say::with_seq(1, &say::set("ann", "f", "2")));
    assert_stored(&site);
    site.sleep();
    site.take("ann");
    // Its own second edit, which only the new column tells.
    let again =
        r#"{"type":"field_selected","seq":2,"baseVersion":7,"selection":{"field":"f","value":3,"userId":"ann"}}"#;
    site.say("ann", again);
    assert_eq!(site.take("ann").last().unwrap(), r#"{"type":"ack","seq":2,"version":9}"#);
}

#[test]
fn a_migration_that_fails_at_any_statement_leaves_the_room_as_it_was() {
    let mut failures = 0;
    loop {
        let mut site = old_room();
        let before = content(&site);
        site.world.fail_load_at = Some(failures);
        let outcome = site.world.load();
        if outcome.is_ok() {
            break;
        }
        assert_eq!(content(&site), before, "statement {failures}");
        failures += 1;
        site.connect("ann");
        assert_eq!((schema(&site), site.sync("ann")["version"].clone()), (store::schema_version(), json!(7)));
    }
    assert!(failures > 7, "{failures} statements");
}

#[test]
fn a_migration_that_sqlite_refuses_refuses_the_room_until_it_can_be_done() {
    let mut site = old_room();
    // The last of the migration's statements finds a table in its way.
    site.world.db.execute_batch("CREATE TABLE permission (x)").unwrap();
    let before = content(&site);
    site.connect("ann");
    assert!(site.world.sockets.is_empty());
    assert!(site.write(roomkeep::protocol::write::Verb::Put, "f", r#"{"value":1,"userId":"ann"}"#, None).is_err());
    assert_eq!(content(&site), before);
    site.world.db.execute_batch("DROP TABLE permission").unwrap();
    site.connect("ann");
    assert_eq!(site.sync("ann")["version"], 7);
}

/// What the second release added: here a client that has numbered one message.
const SCHEMA_2: &str = r#"
ALTER TABLE field ADD COLUMN client_id TEXT;
CREATE TABLE client (client_id TEXT PRIMARY KEY, user_id TEXT, last_seq INTEGER, seen INTEGER NOT NULL, outcomes TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE idempotency_key (user_id TEXT NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, outcome TEXT NOT NULL, PRIMARY KEY (user_id, name)) WITHOUT ROWID;
UPDATE room SET schema = 2;
INSERT INTO client VALUES ('a', 'ann', 1, 900, '[[1,7]]');
"#;

#[test]
fn a_room_of_schema_2_takes_permission_requests_once_it_is_taken_over() {
    let mut site = old_room();
    site.world.db.execute_batch(SCHEMA_2).unwrap();
    site.connect("ann");
    assert_eq!(schema(&site), store::schema_version());
    let before = site.sync("ann");
    assert_eq!((&before["requests"], &before["permissions"]), (&json!([]), &json!([])));
    site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"a"}"#);
    assert!(site.take("ann")[0].contains(r#""lastSeq":1"#));
    site.say("ann", &say::join_as("ann", "Ann"));
    site.say("ann", &say::ask("r", "edit", ""));
    site.say("ann", &say::allow("r", "ann", "session"));
    site.come_round();
    assert_stored(&site);
    site.sleep();
    let state = site.sync("ann");
    assert_eq!((&state["version"], &state["permissions"][0]["action"]), (&json!(9), &json!("edit")));
}
