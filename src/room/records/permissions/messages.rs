//! What messages and time do to permission requests and permissions (Q1 to Q5). On an error nothing has changed.

use crate::protocol::connection::ConnectionId;
use crate::protocol::frames::permission::{
    Decision, GrantRevoked, NewRequest, PermissionMessage, RequestMade, RequestResolved, RequestUnanswered, Resolution,
    Response, Scope,
};
use crate::protocol::frames::{ClientMessage, ServerMessage};
use crate::protocol::refusal::{Code, Refusal};
use crate::room::records::Records;
use crate::room::reply::Rejection;
use crate::room::state::State;
use crate::room::table::Record;

use super::grant::{Grant, GrantKey};
use super::request::{Asked, Pending, PermissionRequest, RequestEvent, RequestKey, size_of_resolution};
use super::settled;

/// The request that a message settles, or tries to: the reply carries what is on record about it (Q2). `user` is the
/// connection's.
pub fn ended_by(message: &ClientMessage, user: Option<&str>) -> Option<RequestKey> {
    let ClientMessage::Permission(message) = message else { return None };
    let (user_id, request_id) = match message {
        PermissionMessage::Response(Response { author, request_id, .. }) => (author.as_str(), request_id),
        PermissionMessage::Cancel { request_id } => (user?, request_id),
        PermissionMessage::Request(_) | PermissionMessage::Revoke { .. } => return None,
    };
    Some(RequestKey { user_id: user_id.to_owned(), request_id: request_id.clone() })
}

/// Does what a message about permissions says. Returns the version to acknowledge it with.
pub fn change(state: &mut State, from: ConnectionId, message: PermissionMessage) -> Result<u64, Rejection> {
    let session = state.sessions.get(from);
    let Some(user) = session.and_then(|session| session.identity().user()).map(str::to_owned) else {
        return Err(
            Refusal::new(Code::NotJoined, "The room does not know who you are. Send `user_joined` first.").into()
        );
    };
    match message {
        PermissionMessage::Request(request) => ask(state, from, user, request),
        PermissionMessage::Response(response) => resolve(state, from, user, response),
        PermissionMessage::Cancel { request_id } => cancel(state, from, RequestKey { user_id: user, request_id }),
        PermissionMessage::Revoke { user_id, action } => Ok(revoke(state, from, GrantKey { user_id, action })),
    }
}

/// Settles the requests that have expired, in the order in which they did (Q3), and forgets what is old.
pub fn settle_due(state: &mut State) {
    while let Some(key) = state.records.requests.index().first_due(state.clock) {
        expire(state, &key);
    }
    forget_settled(state);
}

/// Somebody asks. The same request again is that request (Q1).
fn ask(state: &mut State, from: ConnectionId, user_id: String, request: NewRequest) -> Result<u64, Rejection> {
    let NewRequest { request_id, action, detail, time_to_live } = request;
    let key = RequestKey { user_id, request_id };
    if let Some(known) = state.records.requests.get(&key).map(PermissionRequest::asked) {
        if (&known.action, &known.detail) == (&action, &detail) {
            return Err(Rejection::DoneBefore { version: state.version });
        }
        let message = "This `requestId` was already used for a different request. Use a new one for each request.";
        return Err(Refusal::new(Code::RequestIdReused, message).into());
    }
    let asked = Asked { action, detail, created_at: state.clock, expires_at: state.clock + time_to_live };
    let request = |version: u64| PermissionRequest::Pending(Pending { asked, version });
    let gives_way = who_gives_way(state, &key.user_id)?;
    let version = state.version + 1 + u64::from(gives_way.is_some());
    let request = request(version);
    state.check_growth(PermissionRequest::bytes(&key, &request), 0)?;
    if let Some(other) = gives_way {
        expire(state, &other);
        forget_settled(state);
    }

    let frame = || {
        let Asked { action, detail, created_at, expires_at } = request.asked();
        let asked = ServerMessage::PermissionRequest(RequestMade {
            request_id: &key.request_id,
            user_id: &key.user_id,
            action,
            detail: detail.as_ref(),
            created_at: *created_at,
            expires_at: *expires_at,
            version,
        });
        asked.encode()
    };
    let text = state.is_heard_by_plain(Some(from)).then(frame);
    state.tell_plain(Some(from), text);
    state.version = version;
    state.records.requests.put(key, request);
    Ok(version)
}

/// The request that has to expire early so that this user can make another, if the room has as many as it takes.
fn who_gives_way(state: &mut State, user_id: &String) -> Result<Option<RequestKey>, Refusal> {
    let limit = state.settings.limits.requests;
    if state.records.requests.index().pending() < limit {
        return Ok(None);
    }
    state.records.requests.gives_way(user_id).map(Some).ok_or_else(|| {
        let message =
            format!("The room has {limit} open permission requests, which is the limit. Wait until some are settled.");
        Refusal::new(Code::LimitRequests, message)
    })
}

/// A request ends without a response.
fn expire(state: &mut State, key: &RequestKey) {
    settle(state, key, RequestEvent::Expire);
    tell_unanswered(state, None, key, Some(true));
}

/// Somebody responds to a request; the first response counts (Q2).
fn resolve(state: &mut State, from: ConnectionId, user: String, response: Response) -> Result<u64, Rejection> {
    let Response { author, request_id, decision, scope, reason } = response;
    let key = RequestKey { user_id: author, request_id };
    let asked = &pending(state, &key)?.asked;
    let is_anonymous = state.sessions.get(from).is_some_and(|session| session.access.is_anonymous());
    if key.user_id == user && !is_anonymous {
        let message = "You cannot respond to your own request. Somebody else has to.";
        return Err(Refusal::new(Code::Forbidden, message).into());
    }
    let version = state.version + 1;
    let grant = (decision == Decision::Allow && scope == Scope::Session).then(|| {
        let of = GrantKey { user_id: key.user_id.clone(), action: asked.action.clone() };
        let (request_id, granted_by) = (key.request_id.clone(), user.clone());
        (of, Grant { request_id, granted_by, granted_at: state.clock, version, ended_at: None })
    });
    let resolution = Resolution { decision, scope, reason, resolved_by: user };
    let added = size_of_resolution(&resolution) + grant.as_ref().map_or(0, |(of, grant)| Grant::bytes(of, grant));
    let freed = grant.as_ref().map_or(0, |(of, _)| state.records.grants.bytes_of(of));
    check_count(state, grant.as_ref().map(|(of, _)| of))?;
    state.check_growth(added, freed)?;

    let frame = || {
        let (request_id, user_id) = (&key.request_id, &key.user_id);
        ServerMessage::PermissionResponse(RequestResolved { request_id, user_id, resolution: &resolution, version })
            .encode()
    };
    let text = state.is_heard_by_plain(Some(from)).then(frame);
    state.tell_plain(Some(from), text);
    settle(state, &key, RequestEvent::Resolve(resolution));
    if let Some((of, grant)) = grant {
        state.records.grants.put(of, grant);
    }
    forget_settled(state);
    Ok(version)
}

/// Whether the room takes another permission. One that replaces another is none.
fn check_count(state: &State, new: Option<&GrantKey>) -> Result<(), Refusal> {
    let (grants, limit) = (&state.records.grants, state.settings.limits.permissions);
    if new.is_none_or(|new| grants.is_standing(new)) || grants.standing_count() < limit {
        return Ok(());
    }
    let message = format!("The room has {limit} permissions in force, which is the limit. Revoke one first.");
    Err(Refusal::new(Code::LimitPermissions, message))
}

/// An author withdraws a request (Q3).
fn cancel(state: &mut State, from: ConnectionId, key: RequestKey) -> Result<u64, Rejection> {
    pending(state, &key)?;
    settle(state, &key, RequestEvent::Cancel);
    let version = state.version;
    tell_unanswered(state, Some(from), &key, None);
    forget_settled(state);
    Ok(version)
}

/// A permission is revoked, if it is in force (Q4).
fn revoke(state: &mut State, from: ConnectionId, key: GrantKey) -> u64 {
    let Some(grant) = state.records.grants.get(&key).filter(|grant| grant.ended_at.is_none()) else {
        return state.version;
    };
    let ended = Grant { version: state.version + 1, ended_at: Some(state.clock), ..grant.clone() };
    let version = state.next_version();
    let frame = || {
        ServerMessage::PermissionRevoked(GrantRevoked { action: &key.action, user_id: &key.user_id, version }).encode()
    };
    let text = state.is_heard_by_plain(Some(from)).then(frame);
    state.tell_plain(Some(from), text);
    state.records.grants.put(key, ended);
    forget_settled(state);
    version
}

/// A request that is still pending.
fn pending<'a>(state: &'a State, key: &RequestKey) -> Result<&'a Pending, Rejection> {
    match state.records.requests.get(key) {
        Some(PermissionRequest::Pending(pending)) => Ok(pending),
        Some(PermissionRequest::Settled(_)) => Err(Rejection::DoneBefore { version: state.version }),
        None => Err(Refusal::new(Code::RequestNotFound, "There is no such permission request.").into()),
    }
}

/// Makes the next version: the request is settled.
fn settle(state: &mut State, key: &RequestKey, event: RequestEvent) {
    let version = state.next_version();
    state.records.requests.settle(key, event, version, state.clock);
}

/// Tells plain clients that a request has just ended without a response.
fn tell_unanswered(state: &mut State, but: Option<ConnectionId>, key: &RequestKey, expired: Option<bool>) {
    let (request_id, user_id, version) = (key.request_id.as_str(), key.user_id.as_str(), state.version);
    let frame =
        || ServerMessage::PermissionCancelled(RequestUnanswered { request_id, user_id, expired, version }).encode();
    let text = state.is_heard_by_plain(but).then(frame);
    state.tell_plain(but, text);
}

/// Forgets what was settled long ago, or exceeds the limits.
fn forget_settled(state: &mut State) {
    loop {
        let Records { requests, grants, .. } = &state.records;
        if !settled::has_surplus(requests, grants, &state.settings.limits, state.clock) {
            return;
        }
        let Some(version) = settled::oldest(requests, grants) else { return };
        state.will_forget(version);
        let Records { requests, grants, .. } = &mut state.records;
        settled::forget_oldest(requests, grants);
    }
}
