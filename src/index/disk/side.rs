//! The rows that a room above keeps.

use super::super::IndexError;
use super::super::rocks::Table;
use super::super::side::{SideClaim, SideRow, SideRows, SideTable};
use super::DiskIndex;

impl SideRows for DiskIndex {
    fn get_sorted(&self, keys: &[&[u8]], each: &mut dyn FnMut(usize, &[u8])) -> Result<(), IndexError> {
        self.database.get_sorted(Table::Side, keys, &mut |position, value| {
            each(position, value);
            Ok(())
        })
    }

    fn scan(&self, prefix: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), IndexError> {
        self.database.scan(Table::Side, prefix, &mut |key, value| {
            each(key, value);
            Ok(())
        })
    }
}

impl SideTable for DiskIndex {
    fn claim(&self) -> Option<SideClaim> {
        self.side_claims.claim()
    }

    fn write(&self, rows: &[SideRow]) -> Result<(), IndexError> {
        let mut batch = self.database.batch();
        for (key, value) in rows {
            match value {
                Some(value) => batch.put(Table::Side, key, value),
                None => batch.delete(Table::Side, key),
            }
        }
        batch.write()
    }

    fn replace(&self, rows: &[SideRow]) -> Result<(), IndexError> {
        let mut batch = self.database.batch();
        batch.clear(Table::Side);
        for (key, value) in rows {
            if let Some(value) = value {
                batch.put(Table::Side, key, value);
            }
        }
        batch.write()
    }
}
