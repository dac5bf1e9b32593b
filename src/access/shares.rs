//! Who gives way when a quota is full (X1).
//!
//! One rule for whatever a room has a limited number of: when all of it is taken, whoever holds the most loses what it
//! has not used for the longest, in favour of somebody who holds less. Who holds the most itself is refused, or loses
//! its own. So nobody who holds no more than an equal part is ever refused, or loses anything to somebody else.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::protocol::Millis;

use super::pass::Admission;

/// Who enters the room, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The right by which it enters.
    pub admission: Admission,
    /// The network that it comes from, if that is known.
    pub network: Option<NetworkMark>,
}

/// From nobody knows where.
impl From<Admission> for Entry {
    fn from(admission: Admission) -> Self {
        Self { admission, network: None }
    }
}

/// A mark of the network that somebody comes from. It stays with a socket, which has no use for the address itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NetworkMark(NonZeroU32);

impl NetworkMark {
    /// The mark of a network; `None` if there is none.
    pub fn of(network: &str) -> Option<Self> {
        // FNV-1a, which is the same in every build: a socket outlives a deployment.
        let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let hash = network.bytes().fold(0x811c_9dc5, step);
        NonZeroU32::new(hash).filter(|_| !network.is_empty()).map(Self)
    }
}

/// Who holds a part of a room's connections.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A user who has shown a token.
    User(String),
    /// Somebody without one. Names that are not shown by a token cost nothing, so the network counts.
    Network(NetworkMark),
    /// Somebody of whom nothing is known.
    Unknown,
}

impl Holder {
    /// Who enters in this way.
    pub fn of(entry: &Entry) -> Self {
        match &entry.admission {
            Admission::Pass { user, .. } => Self::User(user.clone()),
            Admission::Anonymous | Admission::Unauthenticated => Self::at(entry.network),
        }
    }

    /// Somebody without a token.
    pub fn at(network: Option<NetworkMark>) -> Self {
        network.map_or(Self::Unknown, Self::Network)
    }
}

/// Who holds how much of a quota.
#[derive(Debug, Clone)]
pub struct Shares<H, K> {
    by_holder: BTreeMap<H, Share<K>>,
    /// How much each holder has, and when it last used the first of it that may have to go; the most comes last.
    ranks: BTreeSet<(usize, Reverse<Millis>, Reverse<H>)>,
}

/// What one holder has.
#[derive(Debug, Clone)]
struct Share<K> {
    /// When each was last used, as far as it was looked up.
    used: BTreeMap<K, Millis>,
    /// The same, the longest unused first.
    by_use: BTreeSet<(Millis, K)>,
}

impl<H: Ord + Clone, K: Ord + Clone> Shares<H, K> {
    /// A quota of which nobody has anything.
    pub fn new() -> Self {
        Self { by_holder: BTreeMap::new(), ranks: BTreeSet::new() }
    }

    /// How much somebody has.
    pub fn of(&self, holder: &H) -> usize {
        self.by_holder.get(holder).map_or(0, |share| share.used.len())
    }

    /// Whether somebody else has more than this one, and so has to give way to it.
    pub fn is_behind(&self, holder: &H) -> bool {
        self.ranks.last().is_some_and(|(most, _, _)| self.of(holder) < *most)
    }

    /// Somebody has taken something, or has used it.
    pub fn insert(&mut self, holder: H, key: K, used: Millis) {
        self.take_rank(&holder);
        let none = || Share { used: BTreeMap::new(), by_use: BTreeSet::new() };
        let share = self.by_holder.entry(holder.clone()).or_insert_with(none);
        if let Some(before) = share.used.insert(key.clone(), used) {
            share.by_use.remove(&(before, key.clone()));
        }
        share.by_use.insert((used, key));
        self.give_rank(holder);
    }

    /// Somebody has something no longer.
    pub fn remove(&mut self, holder: &H, key: &K) {
        self.take_rank(holder);
        let Some(share) = self.by_holder.get_mut(holder) else { return };
        if let Some(used) = share.used.remove(key) {
            share.by_use.remove(&(used, key.clone()));
        }
        if share.used.is_empty() {
            self.by_holder.remove(holder);
        } else {
            self.give_rank(holder.clone());
        }
    }

    /// What has to go: of all that those with the most have, what was not used for the longest. `None` if all of that is
    /// used beyond `now`. `used` says when something was last used, or until when it is. It is asked only about what would
    /// go next, so whatever is used need not tell, and each use is looked up once.
    pub fn gives_way(&mut self, now: Millis, used: impl Fn(&K) -> Millis) -> Option<K> {
        loop {
            let (_, _, Reverse(holder)) = self.ranks.last()?;
            let (known, key) = self.by_holder.get(holder)?.by_use.first().filter(|(known, _)| *known <= now)?;
            let (last, key) = (used(key), key.clone());
            if last <= *known {
                return Some(key);
            }
            self.insert(holder.clone(), key, last);
        }
    }

    fn rank(&self, holder: &H) -> Option<(usize, Reverse<Millis>, Reverse<H>)> {
        let share = self.by_holder.get(holder)?;
        let (used, _) = share.by_use.first()?;
        Some((share.used.len(), Reverse(*used), Reverse(holder.clone())))
    }

    fn take_rank(&mut self, holder: &H) {
        if let Some(rank) = self.rank(holder) {
            self.ranks.remove(&rank);
        }
    }

    fn give_rank(&mut self, holder: H) {
        self.ranks.extend(self.rank(&holder));
    }
}

impl<H: Ord + Clone, K: Ord + Clone> Default for Shares<H, K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: Ord + Clone, K: Ord + Clone> FromIterator<(H, K, Millis)> for Shares<H, K> {
    fn from_iter<T: IntoIterator<Item = (H, K, Millis)>>(all: T) -> Self {
        let mut shares = Self::new();
        all.into_iter().for_each(|(holder, key, used)| shares.insert(holder, key, used));
        shares
    }
}

/// Shares that are counted when somebody first asks, which is when the quota is first full, and are kept from then on.
/// Most rooms never fill theirs, and pay nothing for this.
#[derive(Debug, Clone)]
pub struct SharesOnDemand<H, K>(OnceCell<Shares<H, K>>);

impl<H, K> Default for SharesOnDemand<H, K> {
    fn default() -> Self {
        Self(OnceCell::new())
    }
}

impl<H: Ord + Clone, K: Ord + Clone> SharesOnDemand<H, K> {
    /// The shares. `all`: everything that is held, with who holds it and when it was last used.
    pub fn get<I: Iterator<Item = (H, K, Millis)>>(&self, all: impl FnOnce() -> I) -> &Shares<H, K> {
        self.0.get_or_init(|| all().collect())
    }

    /// The same, to be changed.
    pub fn get_mut<I: Iterator<Item = (H, K, Millis)>>(
        &mut self,
        all: impl FnOnce() -> I,
    ) -> Option<&mut Shares<H, K>> {
        self.get(all);
        self.0.get_mut()
    }

    /// The shares, if somebody has asked for them.
    pub fn counted(&mut self) -> Option<&mut Shares<H, K>> {
        self.0.get_mut()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn x1_the_one_with_the_most_loses_what_it_used_the_longest_ago() {
        let mut shares = Shares::from_iter([("ann", 1, 10), ("bob", 2, 20), ("bob", 3, 30), ("cid", 4, 5)]);
        // What bob used since is looked up when it would go.
        assert_eq!(shares.gives_way(99, |key| if *key == 2 { 40 } else { *key * 10 }), Some(3));
        shares.remove(&"bob", &3);
        // Now all have the same.
        assert_eq!(shares.gives_way(99, |key| [0, 10, 40, 0, 5][*key as usize]), Some(4));
        assert_eq!(shares.gives_way(4, |_| 99), None);
        assert!(!shares.is_behind(&"ann") && shares.is_behind(&"dan"));
        for (holder, key) in [("ann", 1), ("bob", 2), ("cid", 4)] {
            shares.remove(&holder, &key);
        }
        assert_eq!((shares.gives_way(99, |_| 0), shares.of(&"ann")), (None, 0));
    }

    #[test]
    fn x1_a_network_has_a_mark() {
        assert!(NetworkMark::of("192.0.2.1").is_some());
        assert_ne!(NetworkMark::of("192.0.2.1"), NetworkMark::of("192.0.2.2"));
        assert_eq!(NetworkMark::of(""), None);
    }

    proptest! {
        /// Whatever the others do, in whatever order: whoever has no more than an equal part is not refused, and loses
        /// nothing that it does not give up itself.
        #[test]
        fn x1_nobody_takes_an_equal_part_from_anybody(
            limit in 2_usize..12,
            steps in prop::collection::vec((0_usize..4, any::<bool>(), 0_u8..4), 1..200),
        ) {
            let mut shares = Shares::new();
            let mut held = BTreeMap::<u32, usize>::new();
            for (at, (holder, is_fresh, drops)) in (0_u32..).zip(steps) {
                let now = Millis::from(at);
                if drops == 0 && let Some(key) = held.iter().find(|(_, of)| **of == holder).map(|(key, _)| *key) {
                    held.remove(&key);
                    shares.remove(&holder, &key);
                    continue;
                }
                let users = held.values().chain([&holder]).collect::<BTreeSet<_>>().len();
                let part = |holder: usize| held.values().filter(|of| **of == holder).count();
                if held.len() >= limit {
                    if !shares.is_behind(&holder) {
                        prop_assert!(part(holder) * users >= limit, "{holder} is refused with {}", part(holder));
                        continue;
                    }
                    let gone = shares.gives_way(Millis::MAX, |key| if is_fresh { Millis::from(*key) } else { now }).unwrap();
                    let loser = held[&gone];
                    prop_assert!(part(loser) * users > limit && part(loser) > part(holder), "{loser} loses to {holder}");
                    held.remove(&gone);
                    shares.remove(&loser, &gone);
                }
                held.insert(at, holder);
                shares.insert(holder, at, now);
                prop_assert!(held.len() <= limit);
            }
        }
    }
}
