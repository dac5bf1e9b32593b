//! Writing over HTTP: a body, a query and headers become the equivalent frame, so that one reader checks both (H3, H7,
//! H9, J10).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::decode::Frame;
use super::json::{self, Extra, Json, encode};
use super::limits::{IDEMPOTENCY_KEY_BYTES, Limits};
use super::precondition::Precondition;
use super::reader::bad;
use super::refusal::{Code, Refusal};
use super::role::Role;

/// Something that a room is to do, over HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomWrite {
    /// What is done.
    pub verb: Verb,
    /// It as a frame. Its number is the outbox's, or a stand-in for the key.
    pub frame: Frame,
    /// The frame's text.
    pub text: String,
    /// Whose it is, if that can be read: the user of the token, or the one that the request names.
    pub author: Option<String>,
    /// What that user may do.
    pub role: Role,
    /// Those claims of the token that a rule of the kind asks for (K4).
    pub claims: Vec<String>,
    /// The outbox it comes from, if any.
    pub client_id: Option<String>,
    /// The idempotency key, which makes the request safe to repeat. Not combined with a `seq`.
    pub key: Option<String>,
    /// What the field or the room must hold.
    pub precondition: Precondition,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A field is set: `PUT /fields/{field}`, or `POST`.
    Put,
    /// A field is cleared: `DELETE /fields/{field}`.
    Delete,
    /// Several fields are set and cleared: `PATCH /state`, or `POST`.
    Patch,
    /// A message is relayed: `POST /messages`.
    Send,
    /// A participant is removed: `DELETE /participants/{userId}`.
    Remove,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Put, Self::Delete, Self::Patch, Self::Send, Self::Remove];

    /// Its name on the way to the room.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Patch => "patch",
            Self::Send => "send",
            Self::Remove => "remove",
        }
    }

    /// What its query may carry beside the token. Many clients send no body with a `DELETE`; otherwise all is in the body.
    pub fn query_members(self) -> &'static [&'static str] {
        match self {
            Self::Delete | Self::Remove => &QUERY_MEMBERS,
            Self::Put | Self::Patch | Self::Send => &[],
        }
    }

    fn has_body(self) -> bool {
        matches!(self, Self::Put | Self::Patch | Self::Send)
    }
}

/// What a `DELETE` may carry in its query.
const QUERY_MEMBERS: [&str; 6] = ["userId", "baseVersion", "exact", "clientId", "seq", "kind"];

/// What stands beside the selection of a change and not in it.
const OF_CHANGE: [&str; 3] = ["baseVersion", "exact", "kind"];

/// What that is in a room of an open kind, where `kind` is a member of the selection like any other.
const OF_OPEN_CHANGE: [&str; 2] = ["baseVersion", "exact"];

/// A request as it came.
#[derive(Debug, Clone, Copy)]
pub struct HttpWrite<'a> {
    /// What is done.
    pub verb: Verb,
    /// The field or the participant, percent-decoded; empty for what concerns the whole room.
    pub target: &'a str,
    /// The user of the token, if there is one (A3).
    pub user: Option<&'a str>,
    /// What that user may do, or anyone without a token.
    pub role: Role,
    /// Those claims of the token that a rule of the kind asks for (K4).
    pub claims: &'a [String],
    /// Whether the kind of room is declared, so that a member `kind` is the version that the content was made for (K6).
    pub is_declared: bool,
    /// The body; may be empty if there is a query.
    pub body: &'a str,
    /// Members from the query.
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

impl RoomWrite {
    /// Reads a request.
    ///
    /// # Errors
    /// The request cannot be read far enough to say whose it is. Anything wrong with its content is in the frame.
    pub fn read(request: &HttpWrite<'_>, limits: &Limits) -> Result<Self, Refusal> {
        if request.verb == Verb::Send {
            // The body is the message. It is no change, so it has no number, no key and no precondition.
            let frame = Frame::decode(request.body, limits);
            let author = author(request.user, None, &frame)?;
            let (verb, role, text) = (request.verb, request.role, request.body.to_owned());
            let (precondition, claims) = (Precondition::default(), Vec::new());
            return Ok(Self { verb, frame, text, author, role, claims, client_id: None, key: None, precondition });
        }
        let mut members = members(request)?;
        if let Some(user) = request.user {
            let named = members.entry("userId".to_owned()).or_insert_with(|| Json::of(&user));
            if json::string(named.text()).as_deref() != Some(user) {
                return Err(not_the_tokens());
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
        let precondition = match request.verb {
            Verb::Remove | Verb::Send => Precondition::default(),
            Verb::Put | Verb::Delete | Verb::Patch => {
                Precondition::read(request.headers.if_match, request.headers.if_none_match)?
            }
        };
        let text = frame_text(request, &members, key.is_some());
        let frame = Frame::decode(&text, limits);
        let named = members.get("userId").and_then(|raw| json::string(raw.text()));
        let author = author(request.user, named.as_deref(), &frame)?;
        let (verb, role, claims) = (request.verb, request.role, request.claims.to_vec());
        Ok(Self { verb, frame, text, author, role, claims, client_id, key, precondition })
    }
}

/// Whose a request is: the token's user, or the one named by its message or beside it. `None` if it cannot be read.
fn author(user: Option<&str>, named: Option<&str>, frame: &Frame) -> Result<Option<String>, Refusal> {
    let Ok(message) = &frame.message else { return Ok(None) };
    match (user, message.author()) {
        (Some(user), Some(author)) if author != user => Err(not_the_tokens()),
        (user, author) => Ok(user.or(author).or(named).map(str::to_owned)),
    }
}

fn not_the_tokens() -> Refusal {
    let message = "The token belongs to another user. Omit `userId`, or use the token's own.";
    Refusal::new(Code::IdentityMismatch, message)
}

/// The members of the body and, where missing there, of the query.
fn members(request: &HttpWrite<'_>) -> Result<Extra, Refusal> {
    let mut members = Extra::new();
    for (key, text) in request.query {
        // A number or a flag where the protocol has one; everything else is text.
        let is_number = matches!(key.as_str(), "baseVersion" | "seq" | "kind") && json::integer(text).is_some();
        let is_flag = key == "exact" && matches!(text.as_str(), "true" | "false");
        let value = if is_number || is_flag { Json::parse(text.clone()).ok() } else { None };
        members.insert(key.clone(), value.unwrap_or_else(|| Json::of(text)));
    }
    if !request.body.trim().is_empty() || request.verb.has_body() {
        let body =
            json::object(request.body).map_err(|error| bad(format!("The body is not a JSON object: {error}.")))?;
        for (key, raw) in body.without_duplicate_keys().map_err(bad)?.iter() {
            // Null says nothing about who writes and on what grounds; beside the value, it is kept like any JSON.
            let is_of_write = QUERY_MEMBERS.contains(&key) && (key != "kind" || request.is_declared);
            if raw.get() != "null" || !is_of_write {
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
    let mut rest = BTreeMap::new();
    rest.extend(members.get("seq").map(|seq| ("seq", seq.clone())));
    if is_keyed {
        rest.insert("seq", Json::of(&1));
    }
    let of_change = if request.is_declared { &OF_CHANGE[..] } else { &OF_OPEN_CHANGE };
    let of_field = |rest: &mut BTreeMap<_, _>| {
        rest.extend(of_change.iter().filter_map(|key| Some((*key, members.get(*key)?.clone()))));
        let own = members.iter().map(|(key, value)| (key.as_str(), value.clone()));
        let others = ["seq", "clientId", "field", "type", "id"];
        let is_own = |key: &str| !others.contains(&key) && !of_change.contains(&key);
        let own = own.filter(|(key, _)| is_own(key));
        own.chain([("field", Json::of(&request.target))]).collect::<BTreeMap<_, _>>()
    };
    let frame = match request.verb {
        Verb::Put => {
            let selection = of_field(&mut rest);
            WriteFrame { r#type: "field_selected", selection: Some(selection), rest }
        }
        Verb::Delete => {
            let own = of_field(&mut rest);
            rest.extend(own);
            WriteFrame { r#type: "field_cleared", selection: None, rest }
        }
        Verb::Patch => {
            let user = members.get("userId");
            let changes = members.get("changes");
            let changes = changes.map(|changes| user.and_then(|user| signed(changes, user)).unwrap_or(changes.clone()));
            rest.extend(changes.map(|changes| ("changes", changes)));
            rest.extend(members.get("kind").map(|kind| ("kind", kind.clone())));
            WriteFrame { r#type: "batch", selection: None, rest }
        }
        Verb::Remove => {
            rest.insert("userId", Json::of(&request.target));
            WriteFrame { r#type: "participant_removed", selection: None, rest }
        }
        Verb::Send => return request.body.to_owned(),
    };
    encode(&frame)
}

/// The changes of a batch, with their author where they name none. `None` if they cannot be read, which is for the reader
/// of frames to say.
fn signed(changes: &Json, user: &Json) -> Option<Json> {
    let changes = serde_json::from_str::<Vec<&RawValue>>(changes.text()).ok()?;
    let signed = changes.into_iter().map(|raw| {
        let change = json::object(raw.get()).ok()?;
        let members = change.without_duplicate_keys().ok()?;
        match members.get("selection") {
            Some(selection) => {
                let inner = json::object(selection.get()).ok()?;
                let Some(selection) = with_user(inner.without_duplicate_keys().ok()?, user) else {
                    return Some(Json::from(raw));
                };
                let others = members.iter().filter(|(key, _)| *key != "selection");
                let mut change = others.map(|(key, raw)| (key, Json::from(raw))).collect::<BTreeMap<_, _>>();
                change.insert("selection", selection);
                Some(Json::of(&change))
            }
            None => Some(with_user(members, user).unwrap_or_else(|| Json::from(raw))),
        }
    });
    signed.collect::<Option<Vec<_>>>().map(|changes| Json::of(&changes))
}

/// An object with this user. `None` if it names one already.
fn with_user(members: &json::Members<'_>, user: &Json) -> Option<Json> {
    if members.get("userId").is_some_and(|raw| raw.get() != "null") {
        return None;
    }
    let mut members = members.iter().map(|(key, raw)| (key, Json::from(raw))).collect::<BTreeMap<_, _>>();
    members.insert("userId", user.clone());
    Some(Json::of(&members))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frames::ClientMessage;
    use crate::protocol::frames::fields::FieldChange;

    fn read(verb: Verb, body: &str, query: &[(&str, &str)], key: Option<&str>) -> Result<RoomWrite, Refusal> {
        let query = query.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        let target = "a/\"b\"";
        let headers = WriteHeaders { key, ..WriteHeaders::default() };
        let is_declared = body.contains("\"kind\"");
        let (role, claims) = (Role::Editor, &[][..]);
        let request = HttpWrite { verb, target, user: None, role, claims, is_declared, body, query: &query, headers };
        RoomWrite::read(&request, &Limits::default())
    }

    fn change(write: &RoomWrite) -> FieldChange {
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
    fn k6_the_version_that_a_write_was_made_for_is_no_member_of_its_value() {
        let made_for = |verb, body: &str, query: &[(&str, &str)]| {
            let write = read(verb, body, query, None).unwrap();
            (write.frame.made_for, write.frame.message)
        };
        let (version, message) = made_for(Verb::Put, r#"{"value":1,"userId":"ann","kind":2}"#, &[]);
        assert_eq!(version, Some(Ok(2)));
        assert!(matches!(message, Ok(ClientMessage::Change(FieldChange::Select(set))) if set.extra.is_empty()));
        assert_eq!(made_for(Verb::Patch, r#"{"changes":[],"kind":3}"#, &[]).0, Some(Ok(3)));
        assert_eq!(made_for(Verb::Delete, "", &[("userId", "ann"), ("kind", "1")]).0, Some(Ok(1)));
        assert!(matches!(made_for(Verb::Put, r#"{"value":1,"userId":"ann","kind":"x"}"#, &[]).0, Some(Err(_))));
        assert_eq!(made_for(Verb::Put, r#"{"value":1,"userId":"ann","kind":null}"#, &[]).0, None);
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
