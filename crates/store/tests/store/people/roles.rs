//! Roles of the store: what is kept comes back, changes are by version, and none goes that somebody has or needs.

use portcullis_contract::identity::{
    Changed, Ending, Gone, ROLES_MAX, RoleChanged, StoredRole, User, UserState,
};
use portcullis_model::{Permission, RoleName, UserId};

use super::world::{World, at, id, open, roles, user};

fn role(name: &str, permissions: &[&str]) -> StoredRole {
    StoredRole {
        name: RoleName::parse(name).unwrap(),
        permissions: permissions.iter().map(|text| Permission::parse(text).unwrap()).collect(),
        created: at(3),
        version: 0,
    }
}

#[tokio::test]
async fn what_is_kept_comes_back_in_order_and_each_change_is_told() {
    for world in World::both().await {
        let opened = open(&world).await;
        let kept = &opened.store.roles;
        assert_eq!(kept.all().await, Ok(Vec::new()));
        let (second, first) = (role("b-2", &[]), role("a_1", &["read:tasks", "write:*", "admin"]));
        for role in [&second, &first] {
            assert_eq!(kept.create(role).await, Ok(RoleChanged::Yes));
            assert_eq!(kept.create(role).await, Ok(RoleChanged::NameTaken));
        }
        assert_eq!(kept.all().await.unwrap(), [first.clone(), second.clone()], "{}", world.name);
        let changed = StoredRole { version: 0, ..role("b-2", &["read:tasks"]) };
        assert_eq!(kept.change(&changed, &[]).await, Ok(RoleChanged::Yes));
        assert_eq!(kept.change(&changed, &[]).await, Ok(RoleChanged::Stale));
        let changed = StoredRole { version: 1, ..changed };
        assert_eq!(kept.all().await.unwrap(), [first.clone(), changed.clone()]);
        assert_eq!(kept.delete(&first.name).await, Ok(RoleChanged::Yes));
        assert_eq!(kept.delete(&first.name).await, Ok(RoleChanged::Stale));
        assert_eq!(kept.all().await.unwrap(), [changed]);
        assert_eq!(opened.gone().await, [Gone::Roles; 4], "{}", world.name);
    }
}

#[tokio::test]
async fn none_goes_that_somebody_has_and_admin_stays_with_somebody() {
    for world in World::both().await {
        let store = open(&world).await.store;
        let (users, kept) = (&store.users, &store.roles);
        let chief = role("chief", &["admin"]);
        kept.create(&chief).await.unwrap();
        let ann = User { roles: roles(&["chief"]), ..user(1) };
        users.create(&ann).await.unwrap();
        assert_eq!(kept.delete(&chief.name).await, Ok(RoleChanged::Held(1)));
        // She alone could administer.
        let (less, declared) = (role("chief", &["read:tasks"]), roles(&["boss"]));
        let last = Ok(RoleChanged::LastAdministrator);
        assert_eq!(kept.change(&less, &declared).await, last);
        let mut ben = User { roles: roles(&["boss"]), state: UserState::Disabled, ..user(2) };
        users.create(&ben).await.unwrap();
        assert_eq!(kept.change(&less, &declared).await, last, "{}", world.name);
        // Another role of the store does as well as one of the configuration, if somebody active has it.
        kept.create(&role("deputy", &["admin"])).await.unwrap();
        assert_eq!(kept.change(&less, &[]).await, last);
        (ben.state, ben.roles) = (UserState::Active, roles(&["deputy"]));
        assert_eq!(users.change(&ben, Ending::None, &[]).await, Ok(Changed::Yes));
        assert_eq!(kept.change(&less, &[]).await, Ok(RoleChanged::Yes));
        assert_eq!(kept.change(&role("deputy", &[]), &declared).await, last);
        // One that nobody has makes no difference.
        kept.create(&role("spare", &["admin"])).await.unwrap();
        assert_eq!(kept.change(&role("spare", &[]), &[]).await, Ok(RoleChanged::Yes));
        // Nor does an account go that alone has such a role.
        let admin = |name| role(name, &["admin"]);
        assert_eq!(
            kept.change(&StoredRole { version: 1, ..admin("chief") }, &[]).await,
            Ok(RoleChanged::Yes)
        );
        kept.change(&role("deputy", &[]), &[]).await.unwrap();
        assert_eq!(users.delete(UserId(id(1)), &[]).await, Ok(Changed::LastHolder));
        kept.change(&StoredRole { version: 1, ..admin("deputy") }, &[]).await.unwrap();
        assert_eq!(users.delete(UserId(id(1)), &[]).await, Ok(Changed::Yes));
        assert_eq!(kept.delete(&chief.name).await, Ok(RoleChanged::Yes));
    }
}

#[tokio::test]
async fn there_are_never_more_than_are_read_at_once() {
    for world in World::both().await {
        let kept = open(&world).await.store.roles;
        for number in 0..ROLES_MAX {
            assert_eq!(kept.create(&role(&format!("r{number}"), &[])).await, Ok(RoleChanged::Yes));
        }
        assert_eq!(kept.create(&role("more", &[])).await, Ok(RoleChanged::Full), "{}", world.name);
        assert_eq!(kept.all().await.unwrap().len(), usize::from(ROLES_MAX));
    }
}
