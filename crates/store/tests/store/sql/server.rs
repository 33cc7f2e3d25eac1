//! What is asked of a PostgreSQL server: TLS where the URL says so, settings that lose nothing; and that the server of
//! these tests ends with them.

use std::net::TcpStream;
use std::process::{Command, Stdio};

use portcullis_store::Database;
use portcullis_store::sql::{Owner, Settings};
use portcullis_testkit::{Authority, Postgres, WAIT, eventually};

use super::world::World;

/// Tells a copy of this binary to start a server and wait to be killed.
const CHILD: &str = "PORTCULLIS_TEST_HOLDS_A_SERVER";

async fn open(url: String) -> Result<(), String> {
    let settings = Settings::Postgres { url: url.into(), connections_max: 1 };
    match Database::open(&settings).await {
        Ok(database) => {
            database.close().await;
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn its_certificate_is_verified_when_the_url_says_so() {
    let server = Postgres::shared();
    let url = server.database().await;
    let folder = tempfile::tempdir().unwrap();
    let [right, wrong] = ["right.pem", "wrong.pem"].map(|name| folder.path().join(name));
    std::fs::write(&right, server.authority().pem()).unwrap();
    std::fs::write(&wrong, Authority::new().pem()).unwrap();
    let verified =
        |roots: &std::path::Path| format!("{url}?sslmode=verify-full&sslrootcert={}", roots.display());
    open(verified(&right)).await.unwrap();
    let said = open(verified(&wrong)).await.unwrap_err();
    assert!(said.contains("invalid peer certificate"), "{said}");
    // It is good for a name, which the address is not.
    let said = open(verified(&right).replace("@localhost:", "@127.0.0.1:")).await.unwrap_err();
    assert!(said.contains("not valid for name"), "{said}");
}

#[tokio::test]
async fn a_commit_waits_for_the_disk_whatever_the_server_does_by_default() {
    let world = World::postgres().await;
    let name = world.url.rsplit_once('/').unwrap().1;
    world.run(&format!("ALTER DATABASE {name} SET synchronous_commit = off")).await;
    world.open().await.close().await;
}

#[tokio::test]
async fn a_server_that_does_not_sync_is_refused() {
    let server = Postgres::start("-c fsync=off").unwrap();
    let said = open(server.database().await).await.unwrap_err();
    assert!(said.contains("`fsync = off`, and must say `on`"), "{said}");
}

#[tokio::test]
async fn nobody_waits_for_a_lock_without_end() {
    let world = World::postgres().await;
    let keys = world.open().await.data_keys();
    let other = sqlx::PgPool::connect(&world.url).await.unwrap();
    let mut holds = other.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE data_key").execute(&mut *holds).await.unwrap();
    let said = keys.of_owner(Owner::Store("tokens")).await.unwrap_err().to_string();
    assert!(said.contains("lock timeout"), "{said}");
    holds.rollback().await.unwrap();
    assert_eq!(keys.of_owner(Owner::Store("tokens")).await.unwrap(), None);
}

#[tokio::test]
async fn a_node_holds_no_more_connections_than_it_may() {
    let world = World::postgres().await;
    let keys = world.open().await.data_keys();
    let other = sqlx::PgPool::connect(&world.url).await.unwrap();
    let mut holds = other.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE data_key").execute(&mut *holds).await.unwrap();
    // Each of them waits for the lock, or for a connection.
    let asking: Vec<_> = (0..12)
        .map(|_| {
            let keys = keys.clone();
            tokio::spawn(async move { keys.of_owner(Owner::Store("tokens")).await })
        })
        .collect();
    const WAITING: &str = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'portcullis'";
    let count = || async {
        let (count,): (i64,) = sqlx::query_as(WAITING).fetch_one(&other).await.unwrap();
        count
    };
    while count().await < 4 {
        tokio::task::yield_now().await;
    }
    holds.rollback().await.unwrap();
    for asked in asking {
        assert_eq!(asked.await.unwrap().unwrap(), None);
        assert!(count().await <= 4);
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_without_showing_it() {
    let url = Postgres::shared().database().await;
    let (before, host) = url.rsplit_once('@').unwrap();
    let user = before.rsplit_once(':').unwrap().0;
    let said = open(format!("{user}:hunter2@{host}")).await.unwrap_err();
    assert!(said.contains("password authentication failed") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn nothing_that_is_open_shows_its_password() {
    let world = World::postgres().await;
    let database = world.open().await;
    database.data_keys().of_owner(Owner::Store("tokens")).await.unwrap();
    let password = world.url.split([':', '@']).nth(2).unwrap();
    assert_eq!(password.len(), 32);
    let shown = format!("{database:?} {:?}", world.settings);
    assert!(!shown.contains(password), "{shown}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let said = open(format!("postgres://p:hunter2@127.0.0.1:{port}/p")).await.unwrap_err();
    assert!(said.contains("refused") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn the_server_of_a_process_that_is_killed_ends_and_leaves_nothing() {
    if std::env::var_os(CHILD).is_some() {
        let server = Postgres::shared();
        println!("\nserver {} {}", server.port(), server.folder().display());
        std::future::pending::<()>().await;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "sql::server::the_server_of_a_process_that_is_killed_ends_and_leaves_nothing",
        ])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let said = lines.map_while(Result::ok).find(|line| line.starts_with("server ")).unwrap();
    let [_, port, folder] = said.split(' ').collect::<Vec<_>>()[..] else { panic!("{said}") };
    let port: u16 = port.parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
    eventually(WAIT, || async {
        !std::path::Path::new(folder).exists() && TcpStream::connect(("127.0.0.1", port)).is_err()
    })
    .await;
}
