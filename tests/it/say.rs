//! What clients say, and the names by which the tests call connections.

use roomkeep::access::pass::{Admission, Pass};
use roomkeep::protocol::Millis;
use roomkeep::protocol::connection::ConnectionId;
use roomkeep::protocol::role::Role;
use serde_json::json;

/// The connection of this name: at most 16 bytes of ASCII.
pub fn connection(name: &str) -> ConnectionId {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    ConnectionId::from_random(bytes)
}

/// The name that was given to [`connection`].
pub fn name(connection: ConnectionId) -> String {
    let bytes = u128::from_str_radix(&connection.to_string(), 16).unwrap().to_be_bytes();
    String::from_utf8(bytes.into_iter().filter(|byte| *byte != 0).collect()).unwrap()
}

/// Whose connection it is: `ann2` is a second tab of `ann`.
pub fn user(connection: &str) -> &str {
    connection.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// How a user comes with a token: `role [expiry [name]]`. Its id is `t-` and the user.
pub fn pass(user: &str, rights: &str) -> Admission {
    let mut words = rights.split(' ').filter(|word| !word.is_empty());
    let role = words.next().unwrap_or("editor");
    let role = Role::ALL.into_iter().find(|known| known.as_str() == role).unwrap();
    let expires = words.next().map_or(Millis::MAX / 2, |expiry| expiry.parse().unwrap());
    let (name, token_id) = (words.next().map(str::to_owned), Some(format!("t-{user}")));
    Admission::Pass {
        user: user.to_owned(),
        pass: Pass { role, name, token_id, claims: Vec::new(), expires, is_stream: false },
    }
}

pub fn join(user: &str) -> String {
    join_as(user, &user.to_uppercase())
}

pub fn join_as(user: &str, user_name: &str) -> String {
    json!({"type": "user_joined", "userId": user, "userName": user_name}).to_string()
}

pub fn ready(user: &str, is_ready: bool) -> String {
    json!({"type": "user_ready", "userId": user, "isReady": is_ready}).to_string()
}

/// `value` is JSON.
pub fn set(user: &str, field: &str, value: &str) -> String {
    format!(r#"{{"type":"field_selected","selection":{{"field":"{field}","value":{value},"userId":"{user}"}}}}"#)
}

pub fn clear(user: &str, field: &str) -> String {
    json!({"type": "field_cleared", "field": field, "userId": user}).to_string()
}

/// `members` are further ones, each after a comma.
pub fn ask(request: &str, action: &str, members: &str) -> String {
    format!(r#"{{"type":"permission_request","requestId":"{request}","action":"{action}"{members}}}"#)
}

pub fn allow(request: &str, author: &str, scope: &str) -> String {
    json!({"type": "permission_response", "requestId": request, "userId": author, "decision": "allow", "scope": scope})
        .to_string()
}

pub fn deny(request: &str, author: &str) -> String {
    json!({"type": "permission_response", "requestId": request, "userId": author, "decision": "deny"}).to_string()
}

pub fn cancel(request: &str) -> String {
    json!({"type": "permission_cancelled", "requestId": request}).to_string()
}

pub fn revoke(action: &str, user: &str) -> String {
    json!({"type": "permission_revoked", "action": action, "userId": user}).to_string()
}

pub fn sync() -> String {
    r#"{"type":"sync_request"}"#.to_owned()
}

/// The same message, for whose outcome its sender waits.
pub fn with_id(id: &str, message: &str) -> String {
    format!(r#"{{"id":"{id}",{}"#, &message[1..])
}

/// The same message under a number.
pub fn with_seq(seq: u64, message: &str) -> String {
    let (body, _) = message.rsplit_once('}').unwrap();
    format!(r#"{body},"seq":{seq}}}"#)
}
