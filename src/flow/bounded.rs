//! A table that never outgrows its cap.
//!
//! A capture may hold a million spoofed senders. When a table is full, the quarter of its entries that score lowest goes
//! at once, so that an insertion costs amortised constant time; what goes is handed back, for its owner to fold and count.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hash};

/// Entries by key, at most `cap` of them, each at an index that stays its own until it is evicted.
#[derive(Debug)]
pub struct Bounded<K, V> {
    index: HashTable<u32>,
    slots: Vec<Option<(K, V)>>,
    free: Vec<u32>,
    hasher: RandomState,
    cap: usize,
}

impl<K: Hash + Eq, V> Bounded<K, V> {
    /// An empty table for at most `cap` entries (at least 4).
    pub fn new(cap: usize) -> Self {
        Self {
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hasher: RandomState::default(),
            cap: cap.max(4),
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Where `key` is, if it is.
    #[inline]
    pub fn find(&self, key: &K) -> Option<usize> {
        let slots = &self.slots;
        self.index
            .find(
                self.hasher.hash_one(key),
                |&at| matches!(slots.get(at as usize), Some(Some((k, _))) if k == key),
            )
            .map(|&at| at as usize)
    }

    /// Whether the entry at an index is that of `key`.
    #[inline(always)]
    pub fn is_at(&self, index: usize, key: &K) -> bool {
        matches!(self.slots.get(index), Some(Some((k, _))) if k == key)
    }

    /// The entry at an index that [`Self::find`] or [`Self::insert`] gave.
    #[inline]
    pub fn at(&mut self, index: usize) -> Option<(&K, &mut V)> {
        match self.slots.get_mut(index) {
            Some(Some((key, value))) => Some((key, value)),
            _ => None,
        }
    }

    /// The entry of `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        match self.slots.get(self.find(key)?) {
            Some(Some((_, value))) => Some(value),
            _ => None,
        }
    }

    /// The entry of `key`, to change.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let index = self.find(key)?;
        self.at(index).map(|(_, value)| value)
    }

    /// Whether the next insertion evicts.
    pub fn is_full(&self) -> bool {
        self.index.len() >= self.cap
    }

    /// Adds an entry for a key that is not there, and tells its index. The table must not be full: see [`Self::evict`].
    pub fn insert(&mut self, key: K, value: V) -> usize {
        let hash = self.hasher.hash_one(&key);
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            }
        };
        if let Some(slot) = self.slots.get_mut(at as usize) {
            *slot = Some((key, value));
        }
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.index
            .insert_unique(hash, at, |&at| match slots.get(at as usize) {
                Some(Some((key, _))) => hasher.hash_one(key),
                _ => 0,
            });
        at as usize
    }

    /// Takes the quarter of the entries that score lowest out of a full table; nothing where there is room.
    pub fn evict<S: Ord>(&mut self, score: impl Fn(&V) -> S) -> Vec<(K, V)> {
        if !self.is_full() {
            return Vec::new();
        }
        let mut ranked: Vec<(S, u32)> = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(at, slot)| slot.as_ref().map(|(_, value)| (score(value), at as u32)))
            .collect();
        let going = (ranked.len() / 4).max(1);
        if going < ranked.len() {
            ranked.select_nth_unstable(going);
            ranked.truncate(going);
        }
        // In order of index, so that what follows does not depend on the selection's shuffling.
        ranked.sort_unstable_by_key(|&(_, at)| at);
        let mut gone = Vec::with_capacity(going);
        for (_, at) in ranked {
            if let Some(entry) = self.slots.get_mut(at as usize).and_then(Option::take) {
                let hash = self.hasher.hash_one(&entry.0);
                if let Ok(found) = self.index.find_entry(hash, |&other| other == at) {
                    found.remove();
                }
                self.free.push(at);
                gone.push(entry);
            }
        }
        gone
    }

    /// Takes out every entry that is `gone`; the others may be changed on the way.
    pub fn extract(&mut self, mut gone: impl FnMut(&K, &mut V) -> bool) -> Vec<(K, V)> {
        let mut taken = Vec::new();
        for at in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(at) else {
                break;
            };
            let goes = slot.as_mut().is_some_and(|(key, value)| gone(key, value));
            let Some(entry) = slot.take_if(|_| goes) else {
                continue;
            };
            let hash = self.hasher.hash_one(&entry.0);
            let at = at as u32;
            if let Ok(found) = self.index.find_entry(hash, |&other| other == at) {
                found.remove();
            }
            self.free.push(at);
            taken.push(entry);
        }
        taken
    }

    /// The entry of `key`, made where there is none; when that needs room, the lowest-scored entries go to `spill` first.
    pub fn entry<S: Ord>(
        &mut self,
        key: K,
        make: impl FnOnce() -> V,
        score: impl Fn(&V) -> S,
        mut spill: impl FnMut(K, V),
    ) -> Option<&mut V> {
        let at = match self.find(&key) {
            Some(at) => at,
            None => {
                for (key, value) in self.evict(score) {
                    spill(key, value);
                }
                self.insert(key, make())
            }
        };
        self.at(at).map(|(_, value)| value)
    }

    /// All entries, in an order that depends on insertions alone.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.slots.iter().flatten().map(|(key, value)| (key, value))
    }

    /// All values, to change, in the same order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.slots.iter_mut().flatten().map(|(_, value)| value)
    }

    /// All entries, given away.
    pub fn into_entries(self) -> impl Iterator<Item = (K, V)> {
        self.slots.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_quarter_goes_when_it_is_full() {
        let mut table = Bounded::new(8);
        for key in 0..8u32 {
            table.insert(key, key * 10);
        }
        let mut gone = Vec::new();
        *table
            .entry(99, || 5, |&value| value, |key, _| gone.push(key))
            .unwrap() += 1;
        assert_eq!(gone, [0, 1]);
        assert_eq!(table.len(), 7);
        assert_eq!(table.get(&99), Some(&6));
        assert_eq!((table.get(&0), table.get(&7)), (None, Some(&70)));
    }

    #[test]
    fn what_is_gone_makes_room() {
        let mut table = Bounded::new(8);
        for key in 0..8u32 {
            table.insert(key, key);
        }
        let gone = table.extract(|key, value| {
            *value += 100;
            key % 2 == 0
        });
        assert_eq!(gone, [(0, 100), (2, 102), (4, 104), (6, 106)]);
        assert_eq!((table.len(), table.is_full()), (4, false));
        assert_eq!((table.get(&2), table.get(&3)), (None, Some(&103)));
        table.insert(2, 7);
        assert_eq!(table.get(&2), Some(&7));
    }

    #[test]
    fn a_flood_of_keys_keeps_the_cap_and_the_busy_entry() {
        let mut table = Bounded::new(100);
        table.insert(u64::MAX, 1_000_000u64);
        let mut gone = 0u64;
        for key in 0..100_000u64 {
            table.entry(key, || 1, |&value| value, |_, _| gone += 1);
            assert!(table.len() <= 100);
        }
        assert_eq!(gone + table.len() as u64, 100_001);
        assert_eq!(table.get(&u64::MAX), Some(&1_000_000));
    }
}
