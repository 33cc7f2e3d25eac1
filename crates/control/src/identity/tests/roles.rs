//! Roles that administrators keep: what they give, and when that counts.

use portcullis_access::roles::Vocabulary;
use portcullis_contract::identity::Place;
use portcullis_contract::ports::{Clock, Credential, CredentialKind, Identity};
use portcullis_model::Permission;
use secrecy::ExposeSecret;

use super::world::{World, local, permissions, role, rules, user_of};
use crate::identity::{PeopleProblem, RoleOrigin, Wants};

#[tokio::test]
async fn a_kept_role_counts_with_the_next_request_and_within_a_poll_on_another_node() {
    let world = World::new().await;
    let other = world.outside.node(2, rules());
    other.step_keys().await.unwrap();
    other.poll().await;
    let helper = role("helper");
    world.people.create_role(helper.clone(), permissions(&["read:tasks"]), &local()).await.unwrap();
    let ben = world.user("ben").await;
    world.people.change_roles(ben.id, vec![role("helper")], &local()).await.unwrap();
    let cookie = world.log_in("ben", Wants::Cookie).await.cookie.unwrap();
    let who = user_of(world.ask_cookie(&cookie).await);
    assert_eq!((who.roles, who.permissions), (vec![role("helper")], permissions(&["read:tasks"])));
    let (text, place, now) = (cookie.expose_secret(), Place::Portal, world.outside.clock.wall());
    let shown = Credential { place: &place, kind: CredentialKind::Cookie, text };
    other.poll().await;
    assert_eq!(user_of(other.ask(shown, now).await).permissions, permissions(&["read:tasks"]));

    world.outside.memory.take_calls();
    world.outside.endings.take_roles();
    assert!(world.recall_cookie(&cookie).unwrap().is_ok());
    assert!(world.outside.memory.take_calls().is_empty(), "no request asks for roles");

    world.people.change_role(&helper, permissions(&["write:tasks"]), None, &local()).await.unwrap();
    assert_eq!(world.outside.endings.take_roles(), [role("helper")], "what is open on its strength is told");
    assert!(world.recall_cookie(&cookie).is_none());
    assert_eq!(user_of(world.ask_cookie(&cookie).await).permissions, permissions(&["write:tasks"]));
    other.poll().await;
    assert_eq!(world.outside.endings.take_roles(), [role("helper")]);
    assert!(other.recall(&shown, now).is_none());
    assert_eq!(user_of(other.ask(shown, now).await).permissions, permissions(&["write:tasks"]));
    assert_eq!(world.people.delete_role(&helper, &local()).await, Err(PeopleProblem::RoleHeld(1)));
    world.people.change_roles(ben.id, Vec::new(), &local()).await.unwrap();
    world.people.delete_role(&helper, &local()).await.unwrap();
    let gone = world.people.change_roles(ben.id, vec![role("helper")], &local()).await;
    assert_eq!(gone.map(drop), Err(PeopleProblem::UnknownRole(helper)));
    let said = world.outside.audit.take_said();
    let of_roles: Vec<&String> = said.iter().filter(|said| said.starts_with("role.")).collect();
    assert_eq!(
        of_roles,
        ["role.create Success", "role.change Success", "role.delete Failure", "role.delete Success"]
    );
}

#[tokio::test]
async fn a_role_of_the_configuration_and_a_permission_that_there_is_not_are_refused() {
    let world = World::new().await;
    let people = &world.people;
    let of_configuration = Err(PeopleProblem::RoleOfConfiguration(role("user")));
    let less = permissions(&["read:tasks"]);
    assert_eq!(people.create_role(role("user"), less.clone(), &local()).await.map(drop), of_configuration);
    assert_eq!(
        people.change_role(&role("user"), less.clone(), None, &local()).await.map(drop),
        of_configuration
    );
    assert_eq!(people.delete_role(&role("user"), &local()).await, of_configuration);
    let unknown = people.create_role(role("helper"), permissions(&["read:taks"]), &local()).await;
    let slip = Permission::parse("read:taks").unwrap();
    assert_eq!(unknown.map(drop), Err(PeopleProblem::UnknownPermission(slip)));
    people.create_role(role("helper"), less.clone(), &local()).await.unwrap();
    for seen in [None, Some(1)] {
        people.change_role(&role("helper"), less.clone(), seen, &local()).await.unwrap();
    }
    let unseen = people.change_role(&role("helper"), less.clone(), Some(1), &local()).await;
    assert_eq!(unseen.map(drop), Err(PeopleProblem::Stale), "somebody else has changed it");
    let again = people.create_role(role("helper"), less.clone(), &local()).await;
    assert_eq!(again.map(drop), Err(PeopleProblem::NameTaken));
    assert_eq!(
        people.change_role(&role("nobody"), less, None, &local()).await.map(drop),
        Err(PeopleProblem::NotFound)
    );
    assert_eq!(people.delete_role(&role("nobody"), &local()).await, Err(PeopleProblem::NotFound));
}

#[tokio::test]
async fn what_the_configuration_no_longer_knows_gives_nothing_and_the_rest_stays() {
    let world = World::new().await;
    let both = permissions(&["read:tasks", "write:tasks"]);
    world.people.create_role(role("helper"), both.clone(), &local()).await.unwrap();
    let ben = world.user("ben").await;
    world.people.change_roles(ben.id, vec![role("helper")], &local()).await.unwrap();
    let cookie = world.log_in("ben", Wants::Cookie).await.cookie.unwrap();
    assert_eq!(user_of(world.ask_cookie(&cookie).await).permissions, both);

    world.outside.endings.take_roles();
    let mut fewer = rules();
    fewer.vocabulary = Vocabulary::new(permissions(&["read:tasks"]).iter().cloned());
    world.people.take_over(fewer);
    assert_eq!(world.outside.endings.take_roles(), [role("helper")]);
    assert_eq!(user_of(world.ask_cookie(&cookie).await).permissions, permissions(&["read:tasks"]));
    let shown = world.people.role(&role("helper")).unwrap();
    assert_eq!(
        (shown.permissions, shown.unknown),
        (both.clone(), vec![Permission::parse("write:tasks").unwrap()])
    );
    world.people.take_over(rules());
    assert_eq!(user_of(world.ask_cookie(&cookie).await).permissions, both, "it is as it was given");

    // A configuration that declares the name has it.
    let mut own = rules();
    own.declared = own.declared.with([(&role("helper"), &permissions(&[]))], &own.vocabulary);
    world.people.take_over(own);
    assert!(user_of(world.ask_cookie(&cookie).await).permissions.is_empty());
    assert_eq!(world.people.role(&role("helper")).unwrap().origin, RoleOrigin::Configuration);
}

#[tokio::test]
async fn a_role_cannot_take_the_last_administrator_away() {
    let world = World::new().await;
    let people = &world.people;
    people.create_role(role("chief"), permissions(&["admin"]), &local()).await.unwrap();
    let ann = world.user("ann").await;
    // One of the store administers as well as one of the configuration.
    people.change_roles(ann.id, vec![role("chief")], &local()).await.unwrap();
    let last = people.change_role(&role("chief"), permissions(&[]), None, &local()).await;
    assert_eq!(last.map(drop), Err(PeopleProblem::LastAdministrator));
    assert_eq!(people.delete_user(ann.id, &local()).await, Err(PeopleProblem::LastAdministrator));
    world.make("eve", &["admin"]).await;
    people.change_role(&role("chief"), permissions(&[]), None, &local()).await.unwrap();
}

#[tokio::test]
async fn a_node_knows_the_roles_before_it_lets_anybody_in() {
    let world = World::new().await;
    world.people.create_role(role("helper"), permissions(&["read:tasks"]), &local()).await.unwrap();
    let late = world.outside.node(2, rules());
    assert!(late.role(&role("helper")).is_err());
    world.outside.memory.set_gone(true);
    late.poll().await;
    assert!(late.beat.age(world.outside.clock.monotonic()).is_none(), "it has not begun");
    world.outside.memory.set_gone(false);
    late.poll().await;
    assert!(late.role(&role("helper")).is_ok());
}
