//! Permission requests and permissions: what each message changes, and what time does (Q1 to Q5).

pub mod state;

use crate::protocol::message::ClientMessage;
use crate::protocol::permission::{self, Decision, PermissionMessage, Resolution, Response, Scope, Settlement};
use crate::protocol::refusal::{Code, Refusal};
use crate::protocol::reply::ServerMessage;

use super::Room;
use super::change::Failure;
use super::session::ConnectionId;
use state::{
    Asked, Event, Grant, GrantKey, Past, Pending, Request, RequestKey, size_of_grant, size_of_request,
    size_of_resolution,
};

/// The request that a message ends, or tries to: its answer tells what is on record of it (Q2). `user` is the
/// connection's.
pub(super) fn ended_by(message: &ClientMessage, user: Option<&str>) -> Option<RequestKey> {
    let ClientMessage::Permission(message) = message else { return None };
    let (user_id, request_id) = match message {
        PermissionMessage::Response(Response { author, request_id, .. }) => (author.as_str(), request_id),
        PermissionMessage::Cancel { request_id } => (user?, request_id),
        PermissionMessage::Request(_) | PermissionMessage::Revoke { .. } => return None,
    };
    Some(RequestKey { user_id: user_id.to_owned(), request_id: request_id.clone() })
}

impl Room {
    /// Does what a message about permissions says. Returns the version that answers it.
    pub(super) fn permission(&mut self, from: ConnectionId, message: PermissionMessage) -> Result<u64, Failure> {
        let session = self.sessions.get(from);
        let Some(user) = session.and_then(|session| session.identity.user()).map(str::to_owned) else {
            return Err(Refusal::new(Code::NotJoined, "Say who you are first: send `user_joined`.").into());
        };
        match message {
            PermissionMessage::Request(request) => self.ask(from, user, request),
            PermissionMessage::Response(response) => self.resolve(from, user, response),
            PermissionMessage::Cancel { request_id } => self.cancel(from, RequestKey { user_id: user, request_id }),
            PermissionMessage::Revoke { user_id, action } => Ok(self.revoke(from, GrantKey { user_id, action })),
        }
    }

    /// Somebody asks. The same request again is that request (Q1).
    fn ask(&mut self, from: ConnectionId, user_id: String, request: permission::Request) -> Result<u64, Failure> {
        let permission::Request { request_id, action, detail, time_to_live } = request;
        let key = RequestKey { user_id, request_id };
        if let Some(known) = self.requests.request(&key).map(Request::asked) {
            if (&known.action, &known.detail) == (&action, &detail) {
                return Err(Failure::DoneBefore { version: self.version });
            }
            let message = "You asked for something else under this `requestId`. Take a new one for each request.";
            return Err(Refusal::new(Code::RequestIdReused, message).into());
        }
        let limit = self.settings.limits.requests;
        if self.requests.pending() >= limit {
            let message = format!("The room has {limit} open permission requests, all it takes. Wait for answers.");
            return Err(Refusal::new(Code::LimitRequests, message).into());
        }
        let (created_at, version) = (self.clock, self.version + 1);
        let asked = Asked { action, detail, created_at, expires_at: created_at + time_to_live };
        let request = Request::Pending(Pending { asked, version });
        self.check_bytes(self.bytes() + size_of_request(&key, &request))?;

        let frame = || {
            let Asked { action, detail, created_at, expires_at } = request.asked();
            let asked = ServerMessage::PermissionRequest {
                request_id: &key.request_id,
                user_id: &key.user_id,
                action,
                detail: detail.as_ref(),
                created_at: *created_at,
                expires_at: *expires_at,
                version,
            };
            asked.encode()
        };
        let text = self.is_heard_by_plain(Some(from)).then(frame);
        self.tell_plain(Some(from), text);
        self.version = version;
        self.staged.requests.insert(key.clone());
        self.requests.put_request(key, request);
        Ok(version)
    }

    /// Somebody answers a request, once (Q2).
    fn resolve(&mut self, from: ConnectionId, user: String, response: Response) -> Result<u64, Failure> {
        let Response { author, request_id, decision, scope, reason } = response;
        let key = RequestKey { user_id: author, request_id };
        let asked = &self.pending(&key)?.asked;
        let is_anonymous = self.sessions.get(from).is_some_and(|session| session.access.is_anonymous());
        if key.user_id == user && !is_anonymous {
            let message = "Nobody answers a request of their own. Somebody else must.";
            return Err(Refusal::new(Code::Forbidden, message).into());
        }
        let version = self.version + 1;
        let grant = (decision == Decision::Allow && scope == Scope::Session).then(|| {
            let of = GrantKey { user_id: key.user_id.clone(), action: asked.action.clone() };
            let (request_id, granted_by) = (key.request_id.clone(), user.clone());
            (of, Grant { request_id, granted_by, granted_at: self.clock, version, ended_at: None })
        });
        let resolution = Resolution { decision, scope, reason, resolved_by: user };
        let growth = size_of_resolution(&resolution) + grant.as_ref().map_or(0, |(of, grant)| size_of_grant(of, grant));
        self.check_bytes(self.bytes() + growth)?;

        let frame = || {
            let (request_id, user_id) = (&key.request_id, &key.user_id);
            ServerMessage::PermissionResponse { request_id, user_id, resolution: &resolution, version }.encode()
        };
        let text = self.is_heard_by_plain(Some(from)).then(frame);
        self.tell_plain(Some(from), text);
        self.settle(&key, Event::Resolve(resolution));
        if let Some((of, grant)) = grant {
            self.staged.grants.insert(of.clone());
            self.requests.put_grant(of, grant);
        }
        self.forget_settled();
        Ok(version)
    }

    /// An author does not ask any more (Q3).
    fn cancel(&mut self, from: ConnectionId, key: RequestKey) -> Result<u64, Failure> {
        self.pending(&key)?;
        self.settle(&key, Event::Cancel);
        let version = self.version;
        self.tell_unanswered(Some(from), &key, None);
        self.forget_settled();
        Ok(version)
    }

    /// What was given is taken back, if it stands (Q4).
    fn revoke(&mut self, from: ConnectionId, key: GrantKey) -> u64 {
        let Some(grant) = self.requests.grant(&key).filter(|grant| grant.ended_at.is_none()) else {
            return self.version;
        };
        self.version += 1;
        let version = self.version;
        let ended = Grant { version, ended_at: Some(self.clock), ..grant.clone() };
        let frame =
            || ServerMessage::PermissionRevoked { action: &key.action, user_id: &key.user_id, version }.encode();
        let text = self.is_heard_by_plain(Some(from)).then(frame);
        self.tell_plain(Some(from), text);
        self.staged.grants.insert(key.clone());
        self.requests.put_grant(key, ended);
        self.forget_settled();
        version
    }

    /// A request that can be settled.
    fn pending(&self, key: &RequestKey) -> Result<&Pending, Failure> {
        match self.requests.request(key) {
            Some(Request::Pending(pending)) => Ok(pending),
            Some(Request::Settled(_)) => Err(Failure::DoneBefore { version: self.version }),
            None => Err(Refusal::new(Code::RequestNotFound, "No such permission request is known.").into()),
        }
    }

    /// Makes the next version: the request is settled.
    fn settle(&mut self, key: &RequestKey, event: Event) {
        self.version += 1;
        self.requests.settle(key, event, self.version, self.clock);
        self.staged.requests.insert(key.clone());
    }

    /// Tells plain clients that a request has just ended without an answer.
    fn tell_unanswered(&mut self, but: Option<ConnectionId>, key: &RequestKey, expired: Option<bool>) {
        let (request_id, user_id, version) = (key.request_id.as_str(), key.user_id.as_str(), self.version);
        let frame = || ServerMessage::PermissionCancelled { request_id, user_id, expired, version }.encode();
        let text = self.is_heard_by_plain(but).then(frame);
        self.tell_plain(but, text);
    }

    /// Settles the requests whose time is over, in the order in which it ended (Q3), and forgets what is old.
    pub(super) fn settle_due(&mut self) {
        while let Some(key) = self.requests.first_due(self.clock) {
            self.settle(&key, Event::Expire);
            self.tell_unanswered(None, &key, Some(true));
        }
        self.forget_settled();
    }

    /// Forgets what has been settled for long, or is too much.
    fn forget_settled(&mut self) {
        while self.requests.has_surplus(&self.settings.limits, self.clock) {
            // How it ended must be told while it is known.
            self.close_segment();
            let Some((version, past)) = self.requests.forget_oldest() else { return };
            self.meta.floor = self.meta.floor.max(version);
            self.staged.meta = true;
            match past {
                Past::Request(key) => drop(self.staged.requests.insert(key)),
                Past::Grant(key) => drop(self.staged.grants.insert(key)),
            }
        }
    }

    /// How a request ended, if it has.
    pub(super) fn on_record(&self, key: &RequestKey) -> Option<&Settlement> {
        match self.requests.request(key)? {
            Request::Pending(_) => None,
            Request::Settled(settled) => Some(&settled.settlement),
        }
    }
}
