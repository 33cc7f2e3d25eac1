//! What is recorded for good: what the settings become, and what is said of mistakes in them.

use std::path::Path;
use std::time::Duration;

use super::mistakes::{GOOD, check};
use super::{compiled, snapshot};
use crate::snapshot::{AuditMode, SecretSource, Store, WhenFull};

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn everything_is_recorded_unless_a_route_says_otherwise() {
    let snapshot = snapshot(GOOD);
    assert_eq!(snapshot.audit.when_full, WhenFull::Deny);
    assert_eq!(snapshot.audit.origin, None);
    assert_eq!(snapshot.audit.checkpoints, Path::new("/etc/portcullis/checkpoints"));
    assert_eq!(snapshot.audit.anonymous_kept, DAY * 30);
    assert_eq!(snapshot.root_key, SecretSource::File("/etc/portcullis/state/root.key".into()));
    assert_eq!(snapshot.store, Store::Sqlite);
    let modes: Vec<_> = snapshot.applications[0].routes.iter().map(|route| route.audit).collect();
    assert_eq!(modes, [AuditMode::After, AuditMode::After]);
}

/// A check of the configuration, and a colleague who makes one, need not have the node's secrets.
#[test]
fn secrets_of_the_node_are_named_and_not_looked_for() {
    let text = format!(
        "{GOOD}audit = \"before\"\n\
         [audit]\nwhen_full = \"drop\"\norigin = \"audit.example.com/shop\"\ncheckpoints = \"/mnt/checkpoints\"\n\
         anonymous_kept = \"1d\"\n\
         [root_key]\nvariable = \"env:NOT_SET\"\n[store]\nurl_file = \"not-there\"\n"
    );
    let found = snapshot(&text);
    assert_eq!(found.audit.when_full, WhenFull::Drop);
    assert_eq!(found.audit.origin.as_deref(), Some("audit.example.com/shop"));
    assert_eq!(found.audit.checkpoints, Path::new("/mnt/checkpoints"));
    assert_eq!(found.audit.anonymous_kept, DAY);
    assert_eq!(found.root_key, SecretSource::Variable("NOT_SET".into()));
    let url = SecretSource::File("/etc/portcullis/not-there".into());
    assert_eq!(found.store, Store::Postgres { url, connections_max: 10 });
    let site = found.applications[0].routes.iter().find(|route| route.name.as_str() == "site").unwrap();
    assert_eq!(site.audit, AuditMode::Before);
    let other = snapshot(&format!(
        "{GOOD}[root_key]\nfile = \"/run/key\"\n[store]\nurl_variable = \"env:DATABASE_URL\"\nconnections_max = 20\n"
    ));
    assert_eq!(other.root_key, SecretSource::File("/run/key".into()));
    let url = SecretSource::Variable("DATABASE_URL".into());
    assert_eq!(other.store, Store::Postgres { url, connections_max: 20 });
}

#[test]
fn what_is_recorded_and_where() {
    let long = format!("[audit]\norigin = \"{}\"\n[ops]", "o".repeat(201));
    check(
        "audit",
        &[
            ("public = true", "public = true\naudit = true"),
            ("public = true", "public = true\naudit = \"on\""),
            ("public = true", "public = true\naudit = \"bevore\""),
            ("[ops]", "[audit]\nwhen_full = \"block\"\n[ops]"),
            ("[ops]", "[audit]\norigin = \"our ledger\"\n[ops]"),
            ("[ops]", "[audit.webhook]\n[ops]"),
            ("[ops]", "[audit.webhook]\npost_to = \"http://witness.example.com/\"\n[ops]"),
            (
                "[ops]",
                "[audit.webhook]\npost_to = \"https://witness.example.com/\"\nca_file = \"none.pem\"\n[ops]",
            ),
            (
                "[ops]",
                "[audit.webhook]\npost_to = \"https://witness.example.com/\"\nsecret = \"whsec_abc\"\n[ops]",
            ),
            ("[ops]", "[audit]\norigin = \"a+b\"\n[ops]"),
            ("[ops]", "[audit]\norigin = \"\"\n[ops]"),
            ("[ops]", &long),
            ("[ops]", "[audit]\nanonymous_kept = \"1h\"\n[ops]"),
            ("[ops]", "[audit]\nanonymous_kept = 30\n[ops]"),
            ("[ops]", "[audit]\ncheckpoints = \"./state//checkpoints\"\n[ops]"),
            ("[ops]", "[audit]\ncheckpoints = \"state\"\n[ops]"),
            ("[ops]", "[state]\ndirectory = \".\"\n[ops]"),
            ("[ops]", "[root_key]\nfile = \"a\"\nvariable = \"env:A\"\n[ops]"),
            ("[ops]", "[root_key]\nvariable = \"ROOT_KEY\"\n[ops]"),
            ("[ops]", "[root_key]\nfile = \"portcullis-root-key-1:AAEC\"\n[ops]"),
            ("[ops]", "[root_key]\nkey = \"portcullis-root-key-1:AAEC\"\n[ops]"),
            ("[ops]", "[store]\nurl_file = \"postgresql://shop:canary@db/shop\"\n[ops]"),
            ("[ops]", "[store]\nurl = \"postgresql://shop:canary@db/shop\"\n[ops]"),
            ("[ops]", "[store]\nurl_file = \"a\"\nurl_variable = \"env:A\"\n[ops]"),
            ("[ops]", "[ledger]\n[ops]"),
        ],
    );
}

/// A place for a secret that was written wrong was meant: the default must not stand in for it unseen.
#[test]
fn a_wrong_place_of_the_root_key_is_not_replaced_by_another() {
    assert!(compiled(&format!("{GOOD}[root_key]\nfile = 1\n")).is_err());
    assert!(compiled(&format!("{GOOD}[store]\nurl_variable = \"DATABASE_URL\"\n")).is_err());
}
