//! How both databases answer each statement of the store of people: by index, whatever the tables hold.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};

use super::turn::BATCH;
use super::{api_keys, codes, families, keyrings, revocations, roles, sessions, turn, users};
use crate::sql::{Database, Settings};

/// Each file with its text and its statements.
fn files() -> Vec<(&'static str, Vec<&'static str>)> {
    vec![
        (include_str!("api_keys.rs"), api_keys::statements()),
        (include_str!("codes.rs"), codes::statements()),
        (include_str!("families.rs"), families::statements()),
        (include_str!("keyrings.rs"), keyrings::statements()),
        (include_str!("revocations.rs"), revocations::statements()),
        (include_str!("roles.rs"), roles::statements()),
        (include_str!("sessions.rs"), sessions::statements()),
        (include_str!("turn.rs"), turn::statements()),
        (include_str!("users.rs"), users::statements()),
    ]
}

/// What both databases must search by an index and here look at row by row.
const SCANS: [&str; 3] = [
    "SELECT id FROM session WHERE created_at < $1",
    "SELECT id FROM session WHERE ends_at + 1 < $1",
    "SELECT count(*) FROM session",
];

#[test]
fn no_statement_is_missing_here() {
    for (text, statements) in files() {
        let declared = text.lines().filter(|line| {
            let is_text =
                line.starts_with("const ") && line.contains(": &str =") && !line.contains(" TABLE:");
            is_text || line.starts_with("static ") && line.contains(": LazyLock<String> =")
        });
        assert_eq!(declared.count(), statements.len(), "{statements:#?}");
    }
}

#[tokio::test]
async fn sqlite_looks_at_no_table_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plans.db");
    Database::open(&Settings::Sqlite { file: file.clone() }).await.unwrap().close().await;
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    for statement in files().into_iter().flat_map(|(_, statements)| statements) {
        let plan = sqlite_plan(&mut connection, statement).await;
        assert!(!plan.iter().any(|step| is_slow(step)), "{statement}\n{plan:#?}");
    }
    for statement in SCANS {
        let plan = sqlite_plan(&mut connection, statement).await;
        assert!(plan.iter().any(|step| is_slow(step)), "{statement}\n{plan:#?}");
    }
}

async fn sqlite_plan(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let rows = sqlx::query(explain).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect()
}

fn is_slow(step: &str) -> bool {
    // What comes with the statement itself is read as a whole, and roles of one account are sorted for their text.
    let is_own = step.ends_with("-ROW VALUES CLAUSE") || step.contains("string_agg");
    let is_walk = step.starts_with("SCAN ") || step.contains("AUTOMATIC") || step.contains("TEMP B-TREE");
    is_walk && !is_own
}

#[tokio::test]
async fn postgresql_looks_at_no_table_row_by_row() {
    let url = portcullis_testkit::Postgres::shared().database().await;
    let settings = Settings::Postgres { url: url.clone().into(), connections_max: 1 };
    Database::open(&settings).await.unwrap().close().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    // As if the tables were large, and for whatever parameters.
    let asked = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan";
    sqlx::raw_sql(asked).execute(&mut connection).await.unwrap();
    let firsts = "SELECT i.indexrelid::regclass::text, a.attname::text FROM pg_index i \
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]";
    let rows: Vec<(String, String)> = sqlx::query_as(firsts).fetch_all(&mut connection).await.unwrap();
    let firsts = rows.into_iter().collect();
    for statement in files().into_iter().flat_map(|(_, statements)| statements) {
        let plan = postgres_plan(&mut connection, statement).await;
        assert!(!is_slow_node(&plan, &firsts), "{statement}\n{plan:#}");
    }
    for statement in SCANS {
        let plan = postgres_plan(&mut connection, statement).await;
        assert!(is_slow_node(&plan, &firsts), "{statement}\n{plan:#}");
    }
}

async fn postgres_plan(connection: &mut PgConnection, statement: &str) -> Value {
    let parameters = (1..=4 * BATCH).rev().find(|number| statement.contains(&format!("${number}")));
    let arguments = match parameters {
        Some(count) => format!("({})", vec!["NULL"; count].join(", ")),
        None => String::new(),
    };
    // Of rows that come with the statement nobody could know the types.
    let types = match statement.contains("AS noted") {
        true => format!("({})", vec!["bytea, bigint"; BATCH].join(", ")),
        false => String::new(),
    };
    let prepare = AssertSqlSafe(format!("PREPARE one {types} AS {statement}"));
    sqlx::raw_sql(prepare)
        .execute(&mut *connection)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
    let explain = AssertSqlSafe(format!("EXPLAIN (FORMAT JSON) EXECUTE one {arguments}"));
    let row = sqlx::raw_sql(explain).fetch_one(&mut *connection).await.unwrap();
    sqlx::raw_sql("DEALLOCATE one").execute(&mut *connection).await.unwrap();
    serde_json::from_str(&row.get_unchecked::<String, _>(0)).unwrap()
}

/// Whether a node of a plan, or one below it, reads a table as a whole, or an index whose first column it does not know.
fn is_slow_node(plan: &Value, firsts: &BTreeMap<String, String>) -> bool {
    let field = |name| plan.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_slow = match field("Node Type") {
        "Index Scan" | "Index Only Scan" | "Bitmap Index Scan" => {
            !field("Index Cond").contains(firsts[field("Index Name")].as_str())
        }
        node => node == "Seq Scan",
    };
    is_slow
        || match plan {
            Value::Array(nodes) => nodes.iter().any(|node| is_slow_node(node, firsts)),
            Value::Object(fields) => fields.values().any(|node| is_slow_node(node, firsts)),
            _ => false,
        }
}

/// Deleting a row looks for those that refer to it: no plan shows that.
#[tokio::test]
async fn what_refers_to_a_row_is_found_by_index() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plans.db");
    Database::open(&Settings::Sqlite { file: file.clone() }).await.unwrap().close().await;
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    let references =
        "SELECT m.name || '.' || f.\"from\" FROM sqlite_schema m, pragma_foreign_key_list(m.name) f";
    let firsts = "SELECT m.name || '.' || i.name FROM sqlite_schema m, pragma_index_list(m.name) l, \
        pragma_index_info(l.name) i WHERE i.seqno = 0";
    let mut columns = async |text: &'static str| -> BTreeSet<String> {
        let rows: Vec<(String,)> = sqlx::query_as(text).fetch_all(&mut connection).await.unwrap();
        rows.into_iter().map(|(column,)| column).collect()
    };
    let (references, firsts) = (columns(references).await, columns(firsts).await);
    assert_eq!(references.len(), 5, "{references:?}");
    assert!(references.is_subset(&firsts), "{references:?} {firsts:?}");
}
