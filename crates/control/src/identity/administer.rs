//! What administrators ask before they change something: whose a session is, whether an account could be made as it is meant.

use portcullis_access::password::StoredPassword;
use portcullis_model::{SessionId, UserId};
use secrecy::ExposeSecret;

use super::People;
use super::asked::{NewPassword, NewUser, PeopleProblem};

impl People {
    /// Whose a session is.
    pub async fn session_owner(&self, id: SessionId) -> Result<UserId, PeopleProblem> {
        let found = self.store.sessions.by_id(id).await?;
        Ok(found.ok_or(PeopleProblem::NotFound)?.user.id)
    }

    /// What would keep [`People::create_user`] from making this account. Nothing is done, and no password is hashed.
    pub async fn check_new_user(&self, new: &NewUser) -> Result<(), PeopleProblem> {
        let rules = self.rules.load_full();
        if let Some(unknown) = new.roles.iter().find(|role| rules.roles.get(role).is_none()) {
            return Err(PeopleProblem::UnknownRole(unknown.clone()));
        }
        match &new.password {
            NewPassword::None => {}
            NewPassword::Chosen(password) => self.check_chosen(password, &new.name).await?,
            NewPassword::Imported(hash) => {
                StoredPassword::parse(hash.expose_secret())?;
            }
        }
        match self.store.users.by_name(&new.name).await? {
            Some(_) => Err(PeopleProblem::NameTaken),
            None => Ok(()),
        }
    }
}
