//! A temporary table of keys and values.

use crate::index::IndexError;
use std::collections::HashMap;

/// A table that is gone when it is dropped.
#[derive(Default)]
pub struct Scratch(HashMap<Vec<u8>, Vec<u8>>);

impl Scratch {
    /// The value under a key.
    ///
    /// # Errors
    /// Never.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.0.get(key).cloned())
    }

    /// Puts a value.
    ///
    /// # Errors
    /// Never.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), IndexError> {
        self.0.insert(key.to_vec(), value.to_vec());
        Ok(())
    }
}
