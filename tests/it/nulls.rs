//! Null in place of a member that may be omitted means the same (F1).

use std::collections::BTreeMap;

use roomkeep::protocol::decode::Frame;
use roomkeep::protocol::limits::Limits;
use roomkeep::protocol::role::Role;
use roomkeep::protocol::write::{HttpWrite, RoomWrite, Verb, WriteHeaders};
use serde_json::{Value, json};

/// A message without any of its optional members, and those.
fn messages() -> Vec<(Value, Vec<&'static str>)> {
    let permission = |kind: &str, more: Value| {
        let mut message = json!({"type": kind, "requestId": "r", "action": "a", "userId": "ann"});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message
    };
    let selection = json!({"field": "f", "value": null, "userId": "ann"});
    vec![
        (json!({"type": "user_joined", "userId": "ann", "userName": "Ann"}), vec![]),
        (json!({"type": "user_ready", "userId": "ann", "isReady": true}), vec![]),
        (
            json!({"type": "field_selected", "selection": selection}),
            vec!["baseVersion", "exact", "selection.timestamp", "userId"],
        ),
        (json!({"type": "field_cleared", "field": "f", "userId": "ann"}), vec!["baseVersion", "exact"]),
        (json!({"type": "batch", "changes": []}), vec![]),
        (json!({"type": "sync_request"}), vec!["since", "epoch", "userId"]),
        (json!({"type": "hello", "protocol": 1, "clientId": "c"}), vec!["since", "epoch", "token"]),
        (json!({"type": "presence", "data": 1}), vec!["userId"]),
        (json!({"type": "kick", "userId": "ann"}), vec![]),
        (json!({"type": "auth", "token": "t"}), vec![]),
        (permission("permission_request", json!({})), vec!["ttlMs"]),
        (permission("permission_response", json!({"decision": "deny"})), vec!["scope", "reason"]),
        (permission("permission_cancelled", json!({})), vec![]),
        (permission("permission_revoked", json!({})), vec![]),
        (json!({"type": "chat"}), vec!["userId"]),
    ]
}

fn with_null(message: &Value, member: &str) -> Value {
    let mut changed = message.clone();
    match member.split_once('.') {
        Some((outer, inner)) => changed[outer][inner] = Value::Null,
        None => changed[member] = Value::Null,
    }
    changed
}

#[test]
fn f1_null_in_a_frame_is_as_good_as_nothing() {
    let decode = |message: &Value| Frame::decode(&message.to_string(), &Limits::default());
    for (plain, optional) in messages() {
        assert!(decode(&plain).message.is_ok(), "{plain}");
        for member in optional.into_iter().chain(["id", "seq"]) {
            assert_eq!(decode(&with_null(&plain, member)), decode(&plain), "{member} in {plain}");
        }
        // A number's content is the same too, so that sending again with or without null is sending the same.
        let mut numbered = plain.clone();
        numbered["seq"] = json!(1);
        if numbered["type"] == "field_cleared" || numbered["type"] == "permission_request" {
            for member in ["baseVersion", "exact", "ttlMs"] {
                assert_eq!(decode(&with_null(&numbered, member)).tag, decode(&numbered).tag, "{member} in {numbered}");
            }
        }
    }
    let batched = |change: Value| decode(&json!({"type": "batch", "changes": [change]}));
    let change = json!({"type": "field_cleared", "field": "f", "userId": "ann"});
    for member in ["id", "seq", "baseVersion", "exact"] {
        assert_eq!(batched(with_null(&change, member)), batched(change.clone()), "{member}");
    }
}

#[test]
fn f1_and_h3_null_in_a_body_is_as_good_as_nothing() {
    let read = |verb: Verb, body: &Value, user: Option<&str>| {
        let (body, query, headers) = (body.to_string(), BTreeMap::new(), WriteHeaders::default());
        let request = HttpWrite {
            verb,
            target: "f",
            user,
            role: Role::Editor,
            claims: &[],
            is_declared: false,
            body: &body,
            query: &query,
            headers,
        };
        RoomWrite::read(&request, &Limits::default())
    };
    for (verb, plain) in
        [(Verb::Put, json!({"value": null, "userId": "ann"})), (Verb::Delete, json!({"userId": "ann"}))]
    {
        for member in ["baseVersion", "exact", "clientId", "seq"] {
            let (told, plain) = (read(verb, &with_null(&plain, member), None), read(verb, &plain, None));
            assert!(plain.as_ref().is_ok_and(|write| write.frame.message.is_ok()));
            assert_eq!(told, plain, "{member}");
        }
        let nobody = with_null(&plain, "userId");
        assert_eq!(read(verb, &nobody, Some("ann")), read(verb, &plain, Some("ann")), "the token says who");
        assert!(read(verb, &nobody, None).is_ok_and(|write| write.frame.message.is_err()));
    }
    let timed = json!({"value": 1, "userId": "ann", "timestamp": null});
    assert_eq!(read(Verb::Put, &timed, None).unwrap().frame.message, {
        read(Verb::Put, &json!({"value": 1, "userId": "ann"}), None).unwrap().frame.message
    });
}
