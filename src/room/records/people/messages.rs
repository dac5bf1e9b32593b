//! What messages do to people (J1 to J7). On an error nothing has changed.

use crate::access::roles;
use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::frames::ServerMessage;
use crate::protocol::frames::people::{Join, ParticipantRemoved, UserJoined, UserLeft, UserReady};
use crate::protocol::refusal::{Code, Refusal};
use crate::protocol::role::Role;
use crate::room::comings::Coming;
use crate::room::connections::session::{Identity, Session};
use crate::room::state::State;
use crate::room::table::Record;

use super::record::Participant;

/// Somebody joins (J1). Returns the version to acknowledge it with.
///
/// # Errors
/// The connection belongs to another user, or the room is full.
pub fn join(state: &mut State, from: ConnectionId, join: Join) -> Result<u64, Refusal> {
    state.check_identity(from, &join.user_id)?;
    let certified = state.sessions.get(from).and_then(Session::pass).and_then(|pass| pass.name.clone());
    // The token's name takes precedence (A3).
    let join = Join { user_name: certified.unwrap_or(join.user_name), ..join };
    let gives_way = who_gives_way(state, &join.user_id)?;
    let known = state.records.people.get(&join.user_id);
    let was_here = state.is_here(&join.user_id);
    let is_news = known.is_none_or(|known| known.name != join.user_name);
    let is_announced = is_news || !was_here;
    let version = state.version + u64::from(is_news);
    let participant = Participant {
        name: join.user_name,
        is_ready: known.is_some_and(|known| known.is_ready),
        joined_at: known.map_or(state.clock, |known| known.joined_at),
        // Stored when someone arrives, so that a crash does not leave the time of the previous visit.
        last_seen: known.filter(|_| was_here).map_or(state.clock, |known| known.last_seen),
        version: if is_news { version } else { known.map_or(version, |known| known.version) },
        // What is on record is what the others were told. A second tab is not announced, so it changes nothing.
        profile: known.filter(|_| !is_announced).map_or(join.profile, |known| known.profile.clone()),
        leaves_at: None,
    };
    let people = &state.records.people;
    let freed = gives_way.as_ref().map_or(0, |user| people.bytes_of(user)) + people.bytes_of(&join.user_id);
    state.check_growth(Participant::bytes(&join.user_id, &participant), freed)?;

    let announced = is_announced.then(|| {
        let announcement = ServerMessage::UserJoined(UserJoined {
            user_id: &join.user_id,
            user_name: &participant.name,
            joined_at: participant.joined_at,
            profile: &participant.profile,
        });
        announcement.encode()
    });
    if let Some(user) = gives_way {
        state.records.people.remove(&user);
    }
    if state.records.people.get(&join.user_id) != Some(&participant) {
        state.records.people.put(join.user_id.clone(), participant);
    }
    state.version = version;
    if let Some(text) = announced {
        state.tell_coming(Some(from), &join.user_id, Coming::Joined, text);
    }
    state.identify(from, Identity::Joined(join.user_id));
    Ok(version)
}

/// A `user_joined` that was answered on another connection. What it recorded stands, but this connection joins too. A
/// participant who has given way to another since is recorded anew.
///
/// # Errors
/// The connection belongs to another user, or the room is full.
pub fn join_again(state: &mut State, from: ConnectionId, said: Join) -> Result<(), Refusal> {
    let again = match state.records.people.get(&said.user_id) {
        Some(known) => Join { user_name: known.name.clone(), profile: known.profile.clone(), ..said },
        None => said,
    };
    join(state, from, again).map(drop)
}

/// A participant who left is taken off the record (J10), by itself or by a moderator. Returns the version to acknowledge it
/// with.
///
/// # Errors
/// The participant is online, or the user may not do this.
pub fn remove(
    state: &mut State,
    from: Option<ConnectionId>,
    (by, role): (Option<&str>, Role),
    user_id: &str,
) -> Result<u64, Refusal> {
    if by != Some(user_id) {
        roles::check(role, roles::TO_REMOVE)?;
    }
    if state.records.people.get(user_id).is_none() {
        return Ok(state.version);
    }
    if state.is_here(user_id) {
        let message = "The participant is online. Wait until it has left, or `kick` it first.";
        return Err(Refusal::new(Code::ParticipantOnline, message));
    }
    let version = state.next_version();
    state.records.people.remove(&user_id.to_owned());
    // No record has this version, so whoever has less gets the full state.
    state.life.raise_floor(version);
    if state.sessions.greeted() > 0 {
        state.outbox.removed.push((user_id.to_owned(), version));
    }
    let frame = || ServerMessage::ParticipantRemoved(ParticipantRemoved { user_id, version }).encode();
    let text = state.is_heard_by_plain(from).then(frame);
    state.tell_plain(from, text);
    Ok(version)
}

/// The participant who must give way so that this user can be recorded.
fn who_gives_way(state: &mut State, user_id: &str) -> Result<Option<String>, Refusal> {
    let State { records, sessions, settings, .. } = state;
    let (people, limit) = (&mut records.people, settings.limits.participants);
    if people.get(user_id).is_some() || people.len() < limit {
        return Ok(None);
    }
    people.longest_away(|user| sessions.is_online(user)).map(Some).ok_or_else(|| {
        Refusal::new(
            Code::LimitParticipants,
            format!("The room is full: all of its {limit} participants are online. Try again once someone has left."),
        )
    })
}

/// A participant is ready, or no longer is (J7). Returns the version to acknowledge it with.
///
/// # Errors
/// The connection belongs to another user, or the user is not on record.
pub fn ready(state: &mut State, from: ConnectionId, user_id: &str, is_ready: bool) -> Result<u64, Refusal> {
    state.check_identity(from, user_id)?;
    let Some(known) = state.records.people.get(user_id) else {
        return Err(Refusal::new(Code::NotJoined, "Send `user_joined` before `user_ready`."));
    };
    if known.is_ready != is_ready {
        let participant = Participant { is_ready, version: state.version + 1, ..known.clone() };
        let version = state.next_version();
        state.records.people.put(user_id.to_owned(), participant);
        let frame = || ServerMessage::UserReady(UserReady { user_id, is_ready, version }).encode();
        let text = state.is_heard_by_plain(Some(from)).then(frame);
        state.tell_plain(Some(from), text);
    }
    state.bind(from, user_id);
    Ok(state.version)
}

/// Tells that those have left whose time is up (J4).
pub fn leave_due(state: &mut State) {
    while let Some(user) = state.records.people.first_leaving(state.clock) {
        let leave = |participant: &mut Participant| {
            participant.leaves_at = None;
            participant.last_seen
        };
        let Some(last_seen) = state.records.people.edit(user.as_str(), leave) else { return };
        let text = left(&user, last_seen);
        state.tell_coming(None, &user, Coming::Left(last_seen), text);
    }
}

/// The frame that says that somebody has left.
pub fn left(user_id: &str, last_seen: Millis) -> String {
    ServerMessage::UserLeft(UserLeft { user_id, last_seen }).encode()
}
