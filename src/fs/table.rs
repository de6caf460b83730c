//! A bounded number of things that stay open, by key bytes.

use std::collections::HashMap;
use std::sync::Arc;

/// Open things by key bytes; past the bound the half that was not used for longest is let go.
pub struct OpenTable<T> {
    slots: HashMap<Box<[u8]>, Slot<T>>,
    clock: u64,
    count_max: usize,
}

struct Slot<T> {
    open: Arc<T>,
    used: u64,
}

impl<T> OpenTable<T> {
    /// A table that keeps up to `count_max` (at least 2) things open; what is in use elsewhere comes on top.
    pub fn new(count_max: usize) -> Self {
        Self { slots: HashMap::new(), clock: 0, count_max: count_max.max(2) }
    }

    /// What is open under this key; it counts as used now.
    pub fn get(&mut self, key: &[u8]) -> Option<Arc<T>> {
        self.clock += 1;
        let slot = self.slots.get_mut(key)?;
        slot.used = self.clock;
        Some(Arc::clone(&slot.open))
    }

    /// Keeps something open, in the place of what was there. Returns what was let go to make room.
    pub fn insert(&mut self, key: &[u8], open: Arc<T>) -> Vec<Arc<T>> {
        self.clock += 1;
        self.slots.insert(key.into(), Slot { open, used: self.clock });
        if self.slots.len() > self.count_max { self.take_older_half() } else { Vec::new() }
    }

    /// Lets go of some things that are open, if there are several.
    pub fn let_some_go(&mut self) -> Vec<Arc<T>> {
        if self.slots.len() > 1 { self.take_older_half() } else { Vec::new() }
    }

    /// Lets go of what is open under this key.
    pub fn remove(&mut self, key: &[u8]) -> Option<Arc<T>> {
        self.slots.remove(key).map(|slot| slot.open)
    }

    /// Lets go of what is open under this key and under all keys below it.
    pub fn remove_tree(&mut self, key: &[u8]) {
        self.slots.retain(|slot, _| slot.as_ref() != key && !super::is_below(slot, key));
    }

    /// Takes half at once, so that the search for the oldest is paid once in many openings.
    fn take_older_half(&mut self) -> Vec<Arc<T>> {
        let mut used: Vec<u64> = self.slots.values().map(|slot| slot.used).collect();
        let middle = used.len() / 2;
        let (_, &mut median, _) = used.select_nth_unstable(middle);
        self.slots.extract_if(|_, slot| slot.used < median).map(|(_, slot)| slot.open).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_half_not_used_for_longest_is_let_go() {
        let mut table = OpenTable::new(4);
        for key in 0u8..4 {
            table.insert(&[key], Arc::new(key));
        }
        assert_eq!(table.get(&[0]).as_deref(), Some(&0));
        assert_eq!(table.insert(&[4], Arc::new(4)).len(), 2);
        let kept: Vec<u8> = (0..5).filter(|key| table.get(&[*key]).is_some()).collect();
        assert_eq!(kept, [0, 3, 4]);
    }

    #[test]
    fn a_tree_is_let_go_with_its_top_and_without_its_neighbours() {
        let mut table = OpenTable::new(10);
        for key in [&b"a"[..], b"a\0b", b"a!", b"b"] {
            table.insert(key, Arc::new(()));
        }
        table.remove_tree(b"a");
        assert!(table.get(b"a").is_none() && table.get(b"a\0b").is_none());
        assert!(table.get(b"a!").is_some() && table.get(b"b").is_some());
    }
}
