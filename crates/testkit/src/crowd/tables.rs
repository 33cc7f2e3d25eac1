//! What the tables must say of themselves, at whatever point the node was stopped.

use std::fs;
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::person::{Kind, Person};

/// Each counts what must not be there.
const NEVER: [(&str, &str); 7] = [
    (
        "numbers of ends have a gap",
        "SELECT count(*) FROM people_turn WHERE revocations <> (SELECT count(*) FROM revocation) \
         OR revocations <> (SELECT coalesce(max(number), 0) FROM revocation)",
    ),
    (
        "sessions are counted wrong",
        "SELECT count(*) FROM people_turn WHERE sessions <> (SELECT count(*) FROM session)",
    ),
    (
        "a session goes on that has ended",
        "SELECT count(*) FROM session JOIN revocation ON revocation.kind = 1 AND revocation.id = session.id",
    ),
    (
        "a key goes on that has ended",
        "SELECT count(*) FROM (SELECT id FROM revocation WHERE kind = 3) AS ended JOIN api_key ON api_key.id = ended.id \
         WHERE api_key.before_hash IS NULL",
    ),
    (
        "a change of an account has no number, or a number no change",
        "SELECT count(*) FROM account WHERE version <> \
         (SELECT count(*) FROM revocation WHERE kind = 2 AND revocation.id = account.id)",
    ),
    (
        "a closed account has sessions",
        "SELECT count(*) FROM session JOIN account ON account.id = account WHERE state <> 1",
    ),
    ("rows refer to nothing", "SELECT count(*) FROM pragma_foreign_key_check"),
];

/// Checks the tables of a node that does not run, on a copy: to open them is to change them.
pub async fn check_tables(state: &Path, people: &[Person]) {
    let copy = tempfile::tempdir().unwrap();
    for name in ["portcullis.db", "portcullis.db-wal"] {
        if state.join(name).exists() {
            fs::copy(state.join(name), copy.path().join(name)).unwrap();
        }
    }
    let options = SqliteConnectOptions::new().filename(copy.path().join("portcullis.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let said: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(said, "ok");
    for (what, question) in NEVER {
        let count: i64 =
            sqlx::query_scalar(AssertSqlSafe(question)).fetch_one(&mut connection).await.unwrap();
        assert_eq!(count, 0, "{what}");
    }
    let ended = "SELECT lower(hex(id)) FROM revocation WHERE kind = 1";
    let ended: Vec<String> = sqlx::query_scalar(ended).fetch_all(&mut connection).await.unwrap();
    for person in people {
        let going_on = person.sessions.iter().filter_map(|session| match &session.kind {
            Kind::Program { id, .. } => Some(id),
            Kind::Browser(_) => None,
        });
        // What was under way may have ended one of them.
        let gone = going_on.filter(|id| ended.contains(id)).count();
        assert!(gone == 0 || person.under_way.is_some(), "{}: sessions have ended", person.name);
        for told in person.told.iter().filter(|told| matches!(told.action, "auth.logout" | "session.end")) {
            let id = told.names.as_ref();
            assert!(
                id.is_none_or(|id| ended.contains(id)),
                "{}: the end of {id:?} has no number",
                person.name
            );
        }
    }
    connection.close().await.unwrap();
}
