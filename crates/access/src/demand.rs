//! What a route asks of its callers, and the one judgement whether a principal meets it (AZ-01).
//!
//! Deny by default: only [`Demand::Public`] lets someone unknown through, and an empty list of permissions or
//! roles lets nobody through. Nothing here says how the principal was found; that is [`crate::apikey`]. Read
//! next: `portcullis_model::permission` for which permission implies which.

use portcullis_model::{ApiKeyPrincipal, Permission, Permissions, Principal, RoleName, UserPrincipal};

/// What a route asks of its callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// Nothing: anyone may call, known or not.
    Public,
    /// Any valid API key.
    AnyKey,
    /// Any valid credential: a session, a token or an API key.
    LogIn,
    /// Every one of these permissions. Never empty; an empty list lets nobody through.
    Permissions(Vec<Permission>),
    /// At least one of these roles. Never empty; an empty list lets nobody through.
    Roles(Vec<RoleName>),
}

/// Whether a principal meets a demand.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The request may go on.
    Allowed,
    /// The caller must first say who they are.
    Unauthenticated,
    /// The caller is known and may not.
    Forbidden {
        /// What the caller lacks, for the operator's log and not for the client.
        missing: String,
    },
}

/// Judges a principal by a demand.
pub fn judge(principal: &Principal, demand: &Demand) -> Judgement {
    match (demand, principal) {
        (Demand::Public, _) => Judgement::Allowed,
        // A certificate is asked for besides, and is neither a log-in nor a key.
        (_, Principal::Anonymous | Principal::Certificate(_)) => Judgement::Unauthenticated,
        (Demand::AnyKey, Principal::ApiKey(_)) | (Demand::LogIn, _) => Judgement::Allowed,
        (Demand::AnyKey, Principal::User(_)) => Judgement::Forbidden { missing: "an API key".into() },
        (Demand::Permissions(wanted), Principal::ApiKey(ApiKeyPrincipal { permissions, .. }))
        | (Demand::Permissions(wanted), Principal::User(UserPrincipal { permissions, .. })) => {
            judge_permissions(permissions, wanted)
        }
        (Demand::Roles(wanted), Principal::ApiKey(ApiKeyPrincipal { roles, .. }))
        | (Demand::Roles(wanted), Principal::User(UserPrincipal { roles, .. })) => judge_roles(roles, wanted),
    }
}

fn judge_permissions(held: &Permissions, wanted: &[Permission]) -> Judgement {
    if wanted.is_empty() {
        return Judgement::Forbidden {
            missing: "any permission that the route accepts, it names none".into(),
        };
    }
    let missing: Vec<&str> = wanted.iter().filter(|p| !held.imply(p)).map(Permission::as_str).collect();
    if missing.is_empty() {
        return Judgement::Allowed;
    }
    Judgement::Forbidden { missing: format!("permission `{}`", missing.join("`, `")) }
}

fn judge_roles(held: &[RoleName], wanted: &[RoleName]) -> Judgement {
    if wanted.is_empty() {
        return Judgement::Forbidden { missing: "any role that the route accepts, it names none".into() };
    }
    if wanted.iter().any(|role| held.contains(role)) {
        return Judgement::Allowed;
    }
    let names: Vec<&str> = wanted.iter().map(RoleName::as_str).collect();
    Judgement::Forbidden { missing: format!("role `{}`", names.join("` or `")) }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use portcullis_model::{CertificatePrincipal, KeyName, SessionId, Shown, UserId, UserName};

    use super::*;

    fn permissions<C: FromIterator<Permission>>(texts: &str) -> C {
        texts.split_whitespace().map(|text| Permission::parse(text).unwrap()).collect()
    }

    fn roles(texts: &str) -> Vec<RoleName> {
        texts.split_whitespace().map(|text| RoleName::parse(text).unwrap()).collect()
    }

    fn key(role_names: &str, held: &str) -> Principal {
        Principal::ApiKey(ApiKeyPrincipal {
            key: KeyName::parse("ci").unwrap(),
            owner: "ann".into(),
            roles: roles(role_names),
            permissions: permissions(held),
            stored: None,
            ends: None,
        })
    }

    fn user(role_names: &str, held: &str) -> Principal {
        Principal::User(UserPrincipal {
            id: UserId([1; 16]),
            name: UserName::parse("ann").unwrap(),
            user_id: None,
            roles: roles(role_names),
            permissions: permissions(held),
            session: SessionId([2; 16]),
            shown: Shown::Cookie,
            ends: Timestamp::MAX,
        })
    }

    fn all_of(texts: &str) -> Demand {
        Demand::Permissions(permissions(texts))
    }

    fn any_role_of(texts: &str) -> Demand {
        Demand::Roles(roles(texts))
    }

    #[track_caller]
    fn check(principal: &Principal, demand: &Demand, expected: &str) {
        let shown = match judge(principal, demand) {
            Judgement::Allowed => "allowed".into(),
            Judgement::Unauthenticated => "unauthenticated".into(),
            Judgement::Forbidden { missing } => missing,
        };
        assert_eq!(shown, expected, "{principal:?} for {demand:?}");
    }

    #[test]
    fn an_anonymous_caller_may_do_only_what_is_public() {
        let certificate = Principal::Certificate(CertificatePrincipal { subject: "CN=admin".into() });
        check(&Principal::Anonymous, &Demand::Public, "allowed");
        check(&certificate, &Demand::Public, "allowed");
        let demands = [
            Demand::AnyKey,
            Demand::LogIn,
            all_of("read:tasks"),
            any_role_of("user"),
            all_of(""),
            any_role_of(""),
        ];
        for demand in demands {
            check(&Principal::Anonymous, &demand, "unauthenticated");
            check(&certificate, &demand, "unauthenticated");
        }
    }

    #[test]
    fn any_key_is_enough_where_any_key_is_asked_for() {
        check(&key("", ""), &Demand::Public, "allowed");
        check(&key("", ""), &Demand::AnyKey, "allowed");
    }

    #[test]
    fn who_logged_in_is_judged_as_a_key_is_but_has_none() {
        check(&user("", ""), &Demand::LogIn, "allowed");
        check(&key("", ""), &Demand::LogIn, "allowed");
        check(&user("admin", "admin"), &Demand::AnyKey, "an API key");
        check(&user("user", "read:tasks"), &all_of("read:tasks"), "allowed");
        check(&user("user", "read:tasks"), &all_of("write:tasks"), "permission `write:tasks`");
        check(&user("user", ""), &any_role_of("user"), "allowed");
        check(&user("user", ""), &any_role_of("admin"), "role `admin`");
    }

    #[test]
    fn every_permission_of_the_list_is_needed() {
        let both = all_of("read:tasks write:tasks");
        check(&key("", "read:tasks write:tasks"), &both, "allowed");
        check(&key("", "admin"), &both, "allowed");
        check(&key("", "read:tasks"), &both, "permission `write:tasks`");
        check(&key("admin", ""), &both, "permission `read:tasks`, `write:tasks`");
    }

    #[test]
    fn one_role_of_the_list_is_enough() {
        check(&key("user", ""), &any_role_of("admin user"), "allowed");
        check(&key("viewer", "admin"), &any_role_of("admin user"), "role `admin` or `user`");
        check(&key("", ""), &any_role_of("admin"), "role `admin`");
    }

    #[test]
    fn a_permission_in_one_scope_is_none_in_another() {
        check(&key("analyst", "write:analytics"), &all_of("write:billing"), "permission `write:billing`");
    }

    #[test]
    fn an_empty_list_lets_nobody_through() {
        check(&key("admin", "admin"), &all_of(""), "any permission that the route accepts, it names none");
        check(&key("admin", "admin"), &any_role_of(""), "any role that the route accepts, it names none");
    }
}
