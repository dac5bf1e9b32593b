//! What clients say, as they mean it and as it stands on the wire.

use std::rc::Rc;

use serde_json::json;

use super::permissions::Saying;

/// Longer than the values that the simulated rooms take.
const LONG: usize = 300;
/// The longest value that they take.
pub const VALUE_BYTES: usize = 200;

/// The version that a field is said to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    pub version: u64,
    /// Whether it has to be that even if the writer's own client has changed the field since (V6).
    pub is_exact: bool,
}

/// A message by what it says. The value of a field is a number that is written only once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Set { field: &'static str, value: u64, base: Option<Base> },
    Clear { field: &'static str, base: Option<Base> },
    Batch(Vec<Content>),
    Ready(bool),
    Join { name: u64 },
    NoValue,
    TooLong,
    Relay,
    Sync { since: Option<u64>, epoch: Option<String> },
    Presence(Option<u64>),
    Permission(Saying),
    Hello { client: Rc<str>, since: Option<u64>, epoch: Option<String> },
}

/// A message on its way.
#[derive(Debug, Clone)]
pub struct Message {
    pub user: &'static str,
    pub content: Content,
    pub seq: Option<u64>,
    pub id: Option<u64>,
}

impl Message {
    pub fn new(user: &'static str, content: Content) -> Self {
        Self { user, content, seq: None, id: None }
    }

    /// The user whom the message names, as far as the room can read it.
    pub fn author(&self) -> Option<&'static str> {
        match self.content {
            Content::NoValue
            | Content::TooLong
            | Content::Sync { .. }
            | Content::Presence(_)
            | Content::Permission(_)
            | Content::Hello { .. } => None,
            Content::Set { .. }
            | Content::Clear { .. }
            | Content::Batch(_)
            | Content::Ready(_)
            | Content::Join { .. }
            | Content::Relay => Some(self.user),
        }
    }

    pub fn text(&self) -> String {
        let mut text = self.content.text(self.user);
        for (key, number) in [("seq", self.seq), ("id", self.id)] {
            if let Some(number) = number {
                text.truncate(text.len() - 1);
                text.push_str(&format!(r#","{key}":{number}}}"#));
            }
        }
        text
    }
}

impl Content {
    fn text(&self, user: &str) -> String {
        let based = |base: &Option<Base>| match base {
            None => String::new(),
            Some(Base { version, is_exact: false }) => format!(r#","baseVersion":{version}"#),
            Some(Base { version, is_exact: true }) => format!(r#","baseVersion":{version},"exact":true"#),
        };
        let selected = |value: &str| {
            format!(r#"{{"type":"field_selected","selection":{{"field":"a"{value},"userId":"{user}"}}}}"#)
        };
        match self {
            Self::Set { field, value, base } => format!(
                r#"{{"type":"field_selected","selection":{{"field":"{field}","value":{value},"userId":"{user}"}}{}}}"#,
                based(base),
            ),
            Self::Clear { field, base } => {
                format!(r#"{{"type":"field_cleared","field":"{field}","userId":"{user}"{}}}"#, based(base))
            }
            Self::Batch(changes) => {
                let changes = changes.iter().map(|change| change.text(user)).collect::<Vec<_>>();
                format!(r#"{{"type":"batch","changes":[{}]}}"#, changes.join(","))
            }
            Self::Ready(is_ready) => format!(r#"{{"type":"user_ready","userId":"{user}","isReady":{is_ready}}}"#),
            Self::Join { name } => {
                format!(r#"{{"type":"user_joined","userId":"{user}","userName":"{}"}}"#, user_name(user, *name))
            }
            Self::NoValue => selected(""),
            Self::TooLong => selected(&format!(r#","value":"{}""#, "x".repeat(LONG))),
            Self::Relay => format!(r#"{{"type":"wave","userId":"{user}"}}"#),
            Self::Sync { since, epoch } => with_place(json!({"type": "sync_request"}), *since, epoch.as_deref()),
            Self::Presence(data) => json!({"type": "presence", "data": data}).to_string(),
            Self::Permission(saying) => saying.text(),
            Self::Hello { client, since, epoch } => {
                let hello = json!({"type": "hello", "protocol": 1, "clientId": &**client});
                with_place(hello, *since, epoch.as_deref())
            }
        }
    }
}

fn with_place(mut message: serde_json::Value, since: Option<u64>, epoch: Option<&str>) -> String {
    if let Some(since) = since {
        message["since"] = json!(since);
    }
    if let Some(epoch) = epoch {
        message["epoch"] = json!(epoch);
    }
    message.to_string()
}

pub fn user_name(user: &str, name: u64) -> String {
    format!("{user} {name}")
}
