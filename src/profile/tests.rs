//! Claims about the room as a whole.

mod calendar;
mod document;
mod due;
