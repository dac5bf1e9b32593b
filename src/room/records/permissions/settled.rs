//! What is settled: requests that have ended and permissions that were revoked. Nothing more happens to them, but those
//! who were away must be told, for a day or until there are too many (Q5).

use crate::protocol::Millis;
use crate::protocol::limits::Limits;
use crate::room::table::Table;

use super::grant::Grant;
use super::request::PermissionRequest;

/// How long the end of a request or a permission is reported, in milliseconds: a day (Q5).
pub const TOLD_FOR: Millis = 86_400_000;

/// What is settled takes at most one part in this many of a room's bytes, so that it does not crowd out the rest.
const SETTLED_PART: usize = 4;

/// Whether something has to be forgotten: its day is over, or there is too much.
pub fn has_surplus(requests: &Table<PermissionRequest>, grants: &Table<Grant>, limits: &Limits, now: Millis) -> bool {
    let (requests, grants) = (requests.index(), grants.index());
    let ((settled, settled_bytes), (ended, ended_bytes)) = (requests.settled(), grants.ended());
    let oldest = requests.oldest_settled().map(|(version, at, _)| (version, at));
    let oldest = oldest.into_iter().chain(grants.oldest_ended().map(|(version, at, _)| (version, at))).min();
    oldest.is_some_and(|(_, at)| at + TOLD_FOR <= now)
        || settled + ended > limits.settled
        || settled_bytes + ended_bytes > limits.room_bytes / SETTLED_PART
}

/// The version of the oldest settled record.
pub fn oldest(requests: &Table<PermissionRequest>, grants: &Table<Grant>) -> Option<u64> {
    let request = requests.index().oldest_settled().map(|(version, _, _)| version);
    request.into_iter().chain(grants.index().oldest_ended().map(|(version, _, _)| version)).min()
}

/// Forgets the oldest settled record.
pub fn forget_oldest(requests: &mut Table<PermissionRequest>, grants: &mut Table<Grant>) {
    let oldest = oldest(requests, grants);
    let request = requests.index().oldest_settled().map(|(version, _, key)| (version, key.clone()));
    let grant = grants.index().oldest_ended().map(|(version, _, key)| (version, key.clone()));
    if let Some((_, key)) = request.filter(|(version, _)| Some(*version) == oldest) {
        requests.remove(&key);
    } else if let Some((_, key)) = grant {
        grants.remove(&key);
    }
}
