//! How bytes become steps and messages of the protocol, with few names and few values, so that they meet each other.

use std::fmt::Write;

const USERS: [&str; 3] = ["ann", "bob", "cy"];
const FIELDS: [&str; 3] = ["f", "g", "a/b \u{e4}"];
const CLIENTS: [&str; 3] = ["c1", "c2", "c3"];
const KEYS: [&str; 3] = ["k1", "k2", "k3"];
const VALUES: [&str; 8] =
    ["1", "\"x\"", "null", "{\"n\":1.10}", "[1, 2]", "1e999", "\"\\u00e4\"", "\"123456789 123456789 123456789\""];

/// An input that is read from the front. At its end all is zero.
pub struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.next()) % end
    }

    pub fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A length and as many bytes.
    pub fn text(&mut self) -> String {
        let length = usize::from(self.next()).min(self.rest.len());
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        String::from_utf8_lossy(text).into_owned()
    }
}

/// What a message can refer to.
pub struct Scene {
    pub user: usize,
    pub version: u64,
    pub epoch: String,
    pub next_seq: u64,
    /// A number that no message had before.
    pub id: usize,
}

impl Scene {
    /// The connection's user, or seldom another one.
    fn user(&self, bytes: &mut Bytes<'_>) -> &'static str {
        let other = bytes.below(16);
        USERS[if other < USERS.len() { other } else { self.user % USERS.len() }]
    }

    /// A version as a member, or nothing.
    fn version(&self, bytes: &mut Bytes<'_>, key: &str) -> String {
        let version = match bytes.below(6) {
            0 | 1 => return String::new(),
            2 => 0,
            3 => self.version,
            4 => self.version.saturating_sub(1),
            _ => self.version + 1,
        };
        // Not drawn, so that what the corpus draws stays what it was.
        let exact = if key == "baseVersion" && version % 2 == 1 { r#","exact":true"# } else { "" };
        format!(r#","{key}":{version}{exact}"#)
    }

    fn epoch(&self, bytes: &mut Bytes<'_>) -> String {
        match bytes.below(4) {
            0 => format!(r#","epoch":"{}""#, self.epoch),
            1 => r#","epoch":"other""#.to_owned(),
            _ => String::new(),
        }
    }

    fn seq(&self, bytes: &mut Bytes<'_>) -> Option<u64> {
        match bytes.below(8) {
            0..=2 => None,
            3..=5 => Some(self.next_seq),
            6 => Some(self.next_seq.saturating_sub(1).max(1)),
            _ => Some(self.next_seq + 1),
        }
    }
}

/// One message.
pub fn message(bytes: &mut Bytes<'_>, scene: &Scene) -> String {
    let user = scene.user(bytes);
    let mut text = match bytes.below(16) {
        0 => {
            let (name, extra) = (bytes.below(3), bytes.one_of(&["", "", r#","color":"red""#, r#","online":7"#]));
            format!(r#"{{"type":"user_joined","userId":"{user}","userName":"N{name}"{extra}"#)
        }
        1 => format!(r#"{{"type":"user_ready","userId":"{user}","isReady":{}"#, bytes.flag()),
        2 | 3 => set(bytes, scene, user),
        4 => clear(bytes, scene, user),
        5 => {
            let changes = (0..bytes.below(5)).map(|_| {
                let change = if bytes.flag() { set(bytes, scene, user) } else { clear(bytes, scene, user) };
                format!("{change}}}")
            });
            format!(r#"{{"type":"batch","changes":[{}]"#, changes.collect::<Vec<_>>().join(","))
        }
        6 => {
            let (since, epoch) = (scene.version(bytes, "since"), scene.epoch(bytes));
            format!(r#"{{"type":"sync_request"{since}{epoch}"#)
        }
        7 | 8 => {
            let (client, protocol) = (bytes.one_of(&CLIENTS), if bytes.below(16) == 15 { 2 } else { 1 });
            let (since, epoch) = (scene.version(bytes, "since"), scene.epoch(bytes));
            format!(r#"{{"type":"hello","protocol":{protocol},"clientId":"{client}"{since}{epoch}"#)
        }
        9 => format!(r#"{{"type":"presence","data":{}"#, bytes.one_of(&VALUES)),
        10 => format!(r#"{{"type":"wave","userId":"{user}","x":{}"#, bytes.one_of(&VALUES)),
        11 => permission(bytes, user),
        12 => format!(r#"{{"type":"kick","userId":"{user}""#),
        13 => r#"{"type":"auth","token":"t""#.to_owned(),
        14 => format!(r#"{{"type":"{}""#, bytes.one_of(&["ack", "presence", "hello", "changes", "user_ready"])),
        _ => format!(r#"{{"type":"user_joined","userId":"{user}""#),
    };
    tag(&mut text, bytes, scene);
    text.push('}');
    text
}

fn tag(text: &mut String, bytes: &mut Bytes<'_>, scene: &Scene) {
    let id = match bytes.below(6) {
        0 | 1 => format!(r#","id":{}"#, scene.id),
        2 => r#","id":"again""#.to_owned(),
        3 if bytes.flag() => r#","id":"""#.to_owned(),
        _ => String::new(),
    };
    let seq = scene.seq(bytes).map_or(String::new(), |seq| format!(r#","seq":{seq}"#));
    // Writing to a string cannot fail.
    let _ = write!(text, "{id}{seq}");
}

/// A `field_selected` without its end.
fn set(bytes: &mut Bytes<'_>, scene: &Scene, user: &str) -> String {
    let (field, value, base) = (bytes.one_of(&FIELDS), bytes.one_of(&VALUES), scene.version(bytes, "baseVersion"));
    let extra = bytes.one_of(&["", "", r#","note":1"#, r#","timestamp":5,"version":9"#]);
    format!(
        r#"{{"type":"field_selected","selection":{{"field":"{field}","value":{value},"userId":"{user}"{extra}}}{base}"#
    )
}

/// A `field_cleared` without its end.
fn clear(bytes: &mut Bytes<'_>, scene: &Scene, user: &str) -> String {
    let (field, base) = (bytes.one_of(&FIELDS), scene.version(bytes, "baseVersion"));
    format!(r#"{{"type":"field_cleared","field":"{field}","userId":"{user}"{base}"#)
}

fn permission(bytes: &mut Bytes<'_>, user: &str) -> String {
    let (request, action) = (bytes.one_of(&["r1", "r2", "r3"]), bytes.one_of(&["edit", "send"]));
    match bytes.below(4) {
        0 => {
            let rest = bytes.one_of(&["", r#","ttlMs":100"#, r#","ttlMs":86400000"#, r#","detail":{"a":1}"#]);
            format!(r#"{{"type":"permission_request","requestId":"{request}","action":"{action}"{rest}"#)
        }
        1 => {
            let decision = bytes.one_of(&[r#""deny""#, r#""allow","scope":"once""#, r#""allow","scope":"session""#]);
            format!(r#"{{"type":"permission_response","requestId":"{request}","userId":"{user}","decision":{decision}"#)
        }
        2 => format!(r#"{{"type":"permission_cancelled","requestId":"{request}""#),
        _ => format!(r#"{{"type":"permission_revoked","userId":"{user}","action":"{action}""#),
    }
}

/// A field, a body and an `Idempotency-Key` over HTTP.
pub fn write(bytes: &mut Bytes<'_>, scene: &Scene) -> (&'static str, String, Option<&'static str>) {
    let (user, field, value) = (scene.user(bytes), bytes.one_of(&FIELDS), bytes.one_of(&VALUES));
    let base = scene.version(bytes, "baseVersion");
    let client = bytes.flag().then(|| bytes.one_of(&CLIENTS));
    let client = client.map_or(String::new(), |client| format!(r#","clientId":"{client}""#));
    let seq = scene.seq(bytes).map_or(String::new(), |seq| format!(r#","seq":{seq}"#));
    let key = bytes.flag().then(|| bytes.one_of(&KEYS));
    (field, format!(r#"{{"value":{value},"userId":"{user}"{base}{client}{seq}}}"#), key)
}
