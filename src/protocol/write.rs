//! Writing a field over HTTP: a body, a query and headers become the equivalent frame, so that one reader checks both
//! (H3).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::decode::Frame;
use super::json::{self, Extra, Json, encode};
use super::limits::{IDEMPOTENCY_KEY_BYTES, Limits};
use super::precondition::Precondition;
use super::refusal::{Code, Refusal};

/// A change to a field over HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldWrite {
    /// The change as a frame. Its number is the outbox's, or a stand-in for the key.
    pub frame: Frame,
    /// The outbox it comes from, if any.
    pub client_id: Option<String>,
    /// The idempotency key, which makes the request safe to repeat. Not combined with a `seq`.
    pub key: Option<String>,
    /// What the field must hold.
    pub precondition: Precondition,
}

/// What is done to the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
}

/// What a `DELETE` may carry in its query.
pub const QUERY_MEMBERS: [&str; 5] = ["userId", "baseVersion", "exact", "clientId", "seq"];

/// A request as it came.
#[derive(Debug, Clone, Copy)]
pub struct HttpWrite<'a> {
    /// What is done.
    pub verb: Verb,
    /// The field, percent-decoded.
    pub field: &'a str,
    /// The user of the token, if there is one (A3).
    pub user: Option<&'a str>,
    /// The body; may be empty if there is a query.
    pub body: &'a str,
    /// Members from the query of a `DELETE`, which many clients send without a body.
    pub query: &'a BTreeMap<String, String>,
    /// What its headers say.
    pub headers: WriteHeaders<'a>,
}

/// The headers that concern a write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteHeaders<'a> {
    /// `Idempotency-Key`
    pub key: Option<&'a str>,
    /// `If-Match`
    pub if_match: Option<&'a str>,
    /// `If-None-Match`
    pub if_none_match: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WriteFrame<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    selection: Option<BTreeMap<&'a str, Json>>,
    #[serde(flatten)]
    rest: BTreeMap<&'a str, Json>,
}

impl FieldWrite {
    /// Reads a request.
    ///
    /// # Errors
    /// The request cannot be read far enough to say whose it is. Anything wrong with its content is in the frame.
    pub fn read(request: &HttpWrite<'_>, limits: &Limits) -> Result<Self, Refusal> {
        let mut members = members(request)?;
        if let Some(user) = request.user {
            let named = members.entry("userId".to_owned()).or_insert_with(|| Json::of(&user));
            if json::string(named.text()).as_deref() != Some(user) {
                let message = "The token belongs to another user. Omit `userId`, or use the token's own.";
                return Err(Refusal::new(Code::IdentityMismatch, message));
            }
        }
        let client_id = match members.get("clientId") {
            None => None,
            Some(raw) => Some(client_id(raw, limits)?),
        };
        let has_seq = members.contains_key("seq");
        if has_seq && client_id.is_none() {
            return Err(bad("`seq` numbers the messages of a `clientId`. Send both or neither."));
        }
        let key = match request.headers.key.map(str::trim) {
            Some(key) if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES || !key.is_ascii() => {
                let message = format!("The Idempotency-Key must be 1 to {IDEMPOTENCY_KEY_BYTES} ASCII characters.");
                return Err(bad(message));
            }
            key => key.filter(|_| !has_seq).map(str::to_owned),
        };
        let precondition = Precondition::read(request.headers.if_match, request.headers.if_none_match)?;
        let text = frame_text(request, &members, key.is_some());
        Ok(Self { frame: Frame::decode(&text, limits), client_id, key, precondition })
    }
}

/// The members of the body and, where missing there, of the query.
fn members(request: &HttpWrite<'_>) -> Result<Extra, Refusal> {
    let mut members = Extra::new();
    for (key, text) in request.query {
        // A number or a flag where the protocol has one; everything else is text.
        let is_number = matches!(key.as_str(), "baseVersion" | "seq") && text.parse::<u64>().is_ok();
        let is_flag = key == "exact" && matches!(text.as_str(), "true" | "false");
        let value = if is_number || is_flag { Json::parse(text.clone()).ok() } else { None };
        members.insert(key.clone(), value.unwrap_or_else(|| Json::of(text)));
    }
    if !request.body.trim().is_empty() || request.verb == Verb::Put {
        let body =
            json::object(request.body).map_err(|error| bad(format!("The body is not a JSON object: {error}.")))?;
        for (key, raw) in body.without_duplicate_keys().map_err(bad)?.iter() {
            // Null says nothing about who writes and on what grounds; beside the value, it is kept like any JSON.
            if raw.get() != "null" || !QUERY_MEMBERS.contains(&key) {
                members.insert(key.to_owned(), Json::from(raw));
            }
        }
    }
    Ok(members)
}

fn client_id(raw: &Json, limits: &Limits) -> Result<String, Refusal> {
    let id = json::string(raw.text()).map(Cow::into_owned).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| bad("`clientId` must be a non-empty string."))?;
    if id.len() > limits.name_bytes {
        let message = format!("`clientId` is {} bytes long; the limit is {}.", id.len(), limits.name_bytes);
        return Err(Refusal::new(Code::LimitName, message));
    }
    Ok(id)
}

fn frame_text(request: &HttpWrite<'_>, members: &Extra, is_keyed: bool) -> String {
    let of_frame = ["baseVersion", "exact", "seq"];
    let mut rest = BTreeMap::new();
    let mut own = BTreeMap::from([("field", Json::of(&request.field))]);
    for (key, value) in members.iter().filter(|(key, _)| !matches!(key.as_str(), "clientId" | "field" | "type" | "id"))
    {
        let place = if of_frame.contains(&key.as_str()) { &mut rest } else { &mut own };
        place.insert(key.as_str(), value.clone());
    }
    if is_keyed {
        rest.insert("seq", Json::of(&1));
    }
    let frame = match request.verb {
        Verb::Put => WriteFrame { r#type: "field_selected", selection: Some(own), rest },
        Verb::Delete => {
            rest.extend(own);
            WriteFrame { r#type: "field_cleared", selection: None, rest }
        }
    };
    encode(&frame)
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::BadMessage, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frames::ClientMessage;
    use crate::protocol::frames::fields::FieldChange;

    fn read(verb: Verb, body: &str, query: &[(&str, &str)], key: Option<&str>) -> Result<FieldWrite, Refusal> {
        let query = query.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        let field = "a/\"b\"";
        let headers = WriteHeaders { key, ..WriteHeaders::default() };
        let request = HttpWrite { verb, field, user: None, body, query: &query, headers };
        FieldWrite::read(&request, &Limits::default())
    }

    fn change(write: &FieldWrite) -> FieldChange {
        match &write.frame.message {
            Ok(ClientMessage::Change(change)) => change.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn h3_a_put_says_what_a_frame_says() {
        let body =
            r#"{"value":{"n":1.10},"userId":"ann","baseVersion":3,"timestamp":5,"note":"x","clientId":"c","seq":2}"#;
        let write = read(Verb::Put, body, &[], None).unwrap();
        let text = r#"{"type":"field_selected","seq":2,"baseVersion":3,
            "selection":{"field":"a/\"b\"","value":{"n":1.10},"userId":"ann","timestamp":5,"note":"x"}}"#;
        assert_eq!(write.frame, Frame::decode(text, &Limits::default()));
        assert_eq!((write.client_id.as_deref(), write.key), (Some("c"), None));
    }

    #[test]
    fn h3_a_delete_takes_its_members_from_the_query_or_the_body() {
        let query = [("userId", "ann"), ("baseVersion", "3"), ("clientId", "c"), ("seq", "2")];
        let by_query = read(Verb::Delete, "", &query, None).unwrap();
        let body = r#"{"userId":"ann","baseVersion":3,"clientId":"c","seq":2}"#;
        assert_eq!(by_query, read(Verb::Delete, body, &[], None).unwrap());
        assert_eq!((change(&by_query).user_id(), change(&by_query).base_version()), ("ann", Some(3)));
        assert!(
            read(Verb::Delete, "", &[("userId", "ann"), ("baseVersion", "x")], None).unwrap().frame.message.is_err()
        );
    }

    #[test]
    fn h3_a_key_stands_for_a_number_and_gives_way_to_one() {
        let keyed = read(Verb::Put, r#"{"value":1,"userId":"ann"}"#, &[], Some("k")).unwrap();
        assert_eq!((keyed.key.as_deref(), keyed.frame.tag.number.map(|number| number.seq)), (Some("k"), Some(1)));
        let numbered = r#"{"value":1,"userId":"ann","clientId":"c","seq":7}"#;
        let numbered = read(Verb::Put, numbered, &[], Some("k")).unwrap();
        assert_eq!((numbered.key, numbered.frame.tag.number.map(|number| number.seq)), (None, Some(7)));
    }

    #[test]
    fn h3_what_cannot_be_read_is_refused() {
        for body in
            ["", "1", "[]", "{", r#"{"value":1,"value":2}"#, r#"{"seq":1}"#, r#"{"clientId":""}"#, r#"{"clientId":1}"#]
        {
            assert_eq!(
                read(Verb::Put, body, &[], None).map_err(|refusal| refusal.code),
                Err(Code::BadMessage),
                "{body}"
            );
        }
        let long = "k".repeat(257);
        assert!(read(Verb::Put, "{}", &[], Some(&long)).is_err());
        assert!(read(Verb::Put, "{}", &[], Some(" ")).is_err());
        assert!(read(Verb::Put, "{}", &[], Some("caf\u{fffd}")).is_err());
    }
}
