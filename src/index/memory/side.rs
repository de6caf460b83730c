//! The rows that a room above keeps.

use super::super::IndexError;
use super::super::side::{SideClaim, SideRow, SideRows, SideTable};
use super::MemoryIndex;

impl SideRows for MemoryIndex {
    fn get_sorted(&self, keys: &[&[u8]], each: &mut dyn FnMut(usize, &[u8])) -> Result<(), IndexError> {
        let state = self.read();
        for (position, key) in keys.iter().enumerate() {
            if let Some(value) = state.side.get(*key) {
                each(position, value);
            }
        }
        Ok(())
    }

    fn scan(&self, prefix: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), IndexError> {
        let state = self.read();
        let rows = state.side.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
        rows.for_each(|(key, value)| each(key, value));
        Ok(())
    }
}

impl SideTable for MemoryIndex {
    fn claim(&self) -> Option<SideClaim> {
        self.side_claims.claim()
    }

    fn write(&self, rows: &[SideRow]) -> Result<(), IndexError> {
        let mut state = self.write();
        for (key, value) in rows {
            match value {
                Some(value) => _ = state.side.insert(key.clone(), value.clone()),
                None => _ = state.side.remove(key),
            }
        }
        Ok(())
    }

    fn replace(&self, rows: &[SideRow]) -> Result<(), IndexError> {
        self.write().side.clear();
        SideTable::write(self, rows)
    }
}
