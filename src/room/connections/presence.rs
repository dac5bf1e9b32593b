//! What people show of where they are (P1). It is kept with the connection, never in storage.

use crate::protocol::connection::ConnectionId;
use crate::protocol::frames::ServerMessage;
use crate::protocol::frames::presence::PresenceView;
use crate::protocol::json::Json;
use crate::protocol::limits::USER_ID_BYTES;
use crate::protocol::refusal::{Code, Refusal};
use crate::room::audience::Audience;
use crate::room::state::State;
use crate::room::turn::Outgoing;

/// Keeps what a person is looking at. Returns the version to acknowledge it with.
///
/// # Errors
/// The client is a plain one, or its ids leave too little space for this beside them in the socket's attachment.
pub fn show(state: &mut State, from: ConnectionId, data: Option<Json>) -> Result<u64, Refusal> {
    let limits = &state.settings.limits;
    match state.sessions.get_mut(from) {
        Some(session) if session.client().is_some() => {
            let size = data.as_ref().map_or(0, |data| data.text().len());
            // A user who is not known yet may have the longest id.
            let user = session.identity().user().map_or(limits.name_bytes.max(USER_ID_BYTES), str::len);
            let limit = limits.presence_beside(user + session.client().map_or(0, str::len));
            if size > limit {
                let message = format!("`data` is {size} bytes long; beside ids as long as yours the limit is {limit}.");
                return Err(Refusal::new(Code::LimitPresence, message));
            }
            session.presence = data;
            state.outbox.presence.insert(from, None);
            Ok(state.version)
        }
        Some(_) | None => Err(Refusal::before_hello("presence")),
    }
}

/// The frame with what is new; `None` if nobody else is there to receive it. After this nothing is new.
pub fn take_news(state: &mut State) -> Option<Outgoing> {
    let news = std::mem::take(&mut state.outbox.presence);
    let is_greeted = |of: &ConnectionId| state.sessions.get(*of).is_some_and(|session| session.client().is_some());
    let is_own = news.len() == 1 && news.keys().all(is_greeted);
    if state.sessions.greeted() == usize::from(is_own) {
        return None;
    }
    let entries = news.iter().map(|(connection, gone)| {
        let session = state.sessions.get(*connection);
        PresenceView {
            connection_id: connection.to_string(),
            user_id: session.map_or(gone.as_deref(), |session| session.identity().user()),
            data: session.and_then(|session| session.presence.as_ref()),
        }
    });
    let text = ServerMessage::Presence { presence: entries.collect() }.encode();
    // Presence is not stored, so it is true whatever becomes of the commit.
    Some(Outgoing::in_any_case(Audience::Greeted, text))
}

/// What everyone shows.
pub fn shown(state: &State) -> Vec<PresenceView<'_>> {
    let shown = state.sessions.iter().filter_map(|(connection, session)| {
        let (connection_id, user_id) = (connection.to_string(), session.identity().user());
        Some(PresenceView { connection_id, user_id, data: Some(session.presence.as_ref()?) })
    });
    shown.collect()
}
