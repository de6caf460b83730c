//! What a client may write to: a store that lacks nothing that it knows of.

use super::{AcceptRollback, Repository};
use crate::access::Access;
use crate::config::Purpose;
use crate::error::Result;
use crate::mirror;
use crate::session::{self, ClientState, History};

impl Repository {
    /// What a writer begins with: what the store says, which lacks nothing that this client knows of. The access is the
    /// operation's, whose report says what this client can't know.
    pub(super) fn writing(&self, access: &Access) -> Result<(History, ClientState)> {
        access.chain.allows(Purpose::Write)?;
        self.standing(access)
    }

    /// What the store says, unless it lacks what this client knows of and nobody accepted that, or may not be written to at
    /// all.
    pub(super) fn standing(&self, access: &Access) -> Result<(History, ClientState)> {
        self.may_write()?;
        // The state first: what another process of this client acknowledges in between is then no rollback.
        let mut state = session::load(access)?;
        let history = self.history()?;
        let (state_dir, chain) = (&access.state_dir, &access.chain);
        let known = session::check_config(access).and_then(|()| session::check_rollback(access, &history, &state));
        if let Err(error) = known {
            match self.options.accept_rollback {
                AcceptRollback::Refuse => return Err(error),
                AcceptRollback::Accept => {
                    session::replace_config(state_dir, chain)?;
                    state = session::replace(state_dir)?;
                }
            }
        }
        // Only now is there a directory for it, where this is the first run.
        let _ = session::keep_config(state_dir, chain);
        Ok((history, state))
    }

    /// Fails where nobody may write, whatever the store lacks: to a mirror, and by second copies.
    pub(super) fn may_write(&self) -> Result<()> {
        mirror::refuse(self.access.store.as_ref())?;
        session::require_opened_soundly(&self.access)
    }
}
