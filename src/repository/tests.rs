//! Whole operations under bad circumstances: on a medium, with a key or on a machine that lets them do only so much.

mod bad_places;
mod behind;
mod crowd;
mod roles;
mod rolled_back;
mod second_copies;
mod unstarted;
