//! A PostgreSQL server: how it is reached, what is asked of it, and that it holds.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{Connection as _, PgConnection, PgPool};

use super::{DatabaseError, bounded, migrations, within};

/// How long an operation waits for a connection, a new one included.
const ACQUIRE_MAX: Duration = Duration::from_secs(10);
/// How long the migrations may take, with the wait for another node that runs them.
const PREPARE_MAX: Duration = Duration::from_secs(10 * 60);
/// Connections that nobody used for so long are given back to the server, and any is renewed in time.
const IDLE_MAX: Duration = Duration::from_secs(10 * 60);
const AGE_MAX: Duration = Duration::from_secs(30 * 60);

/// What is asked for on every connection.
const ASKED: [&str; 5] = [
    // A commit is durable when it returns, and on the standbys too where the server has such.
    "SET synchronous_commit = on",
    "SET statement_timeout = '10s'",
    "SET lock_timeout = '5s'",
    "SET idle_in_transaction_session_timeout = '15s'",
    "SET client_min_messages = warning",
];
/// What the server must then say. The last two are the administrator's: a server without them loses what it has
/// acknowledged when its machine stops.
const WANTED: [(&str, &str); 3] = [("synchronous_commit", "on"), ("fsync", "on"), ("full_page_writes", "on")];

/// Reaches the server, and brings the tables to this version.
pub(super) async fn open(url: &SecretString, connections_max: u32) -> Result<PgPool, DatabaseError> {
    let options = options(url)?;
    // Not over the pool, which would try again until its time is over and then say only that.
    within(PREPARE_MAX, Box::pin(prepare(&options))).await?;
    Ok(PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_MAX)
        .idle_timeout(IDLE_MAX)
        .max_lifetime(AGE_MAX)
        .after_connect(|connection, _| {
            Box::pin(async move {
                in_force(connection).await.map_err(|error| sqlx::Error::Configuration(Box::new(error)))
            })
        })
        .connect_lazy_with(options))
}

/// Reads the URL. Without a word about TLS, a server elsewhere must show a certificate that is good for its name.
fn options(url: &SecretString) -> Result<PgConnectOptions, DatabaseError> {
    let options: PgConnectOptions =
        url.expose_secret().parse().map_err(|error: sqlx::Error| DatabaseError::Url(error.to_string()))?;
    let options = options.application_name("portcullis");
    let is_here = options.get_socket().is_some() || is_loopback(options.get_host());
    match options.get_ssl_mode() {
        PgSslMode::Allow => Err(DatabaseError::Url(
            "`sslmode=allow` lets whoever is on the way decide; say `verify-full`, or `disable`".to_owned(),
        )),
        // What is said when nothing is said.
        PgSslMode::Prefer if is_here => Ok(options),
        PgSslMode::Prefer => Ok(options.ssl_mode(PgSslMode::VerifyFull)),
        _ => Ok(options),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    // A socket's folder is a host too, for libpq's sake.
    address.map_or(host == "localhost" || host.starts_with('/'), |address| address.is_loopback())
}

/// Opens once: settings, tables.
async fn prepare(options: &PgConnectOptions) -> Result<(), DatabaseError> {
    let connects = async {
        let mut connection = PgConnection::connect_with(options).await?;
        in_force(&mut connection).await?;
        Ok(connection)
    };
    let mut connection = bounded(Box::pin(connects)).await?;
    // A table that is large takes its time, and the second of two nodes that start together waits here for the first.
    sqlx::raw_sql("SET statement_timeout = 0; SET lock_timeout = 0").execute(&mut connection).await?;
    migrations::run(&migrations::postgres(), &mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Asks for what we need, and reads it back.
async fn in_force(connection: &mut PgConnection) -> Result<(), DatabaseError> {
    for asked in ASKED {
        sqlx::raw_sql(asked).execute(&mut *connection).await?;
    }
    for (setting, wanted) in WANTED {
        let read = sqlx::query_as("SELECT current_setting($1)").bind(setting);
        let (found,): (String,) = read.fetch_one(&mut *connection).await?;
        if found != wanted {
            return Err(DatabaseError::Setting { setting, wanted, found });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<String, String> {
        let read = options(&SecretString::from(url));
        read.map(|options| format!("{:?}", options.get_ssl_mode())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_server_elsewhere_is_verified_unless_the_url_says_otherwise() {
        for elsewhere in
            ["postgres://p@db.example/p", "postgres://p@192.0.2.1/p", "postgres://p@db/p?sslmode=prefer"]
        {
            assert_eq!(mode(elsewhere).unwrap(), "VerifyFull", "{elsewhere}");
        }
        for here in [
            "postgres://p@localhost/p",
            "postgres://p@127.0.0.1/p",
            "postgres://p@[::1]/p",
            "postgres://p@%2Frun%2Fdb/p",
        ] {
            assert_eq!(mode(here).unwrap(), "Prefer", "{here}");
        }
        assert_eq!(mode("postgres://p@db.example/p?sslmode=disable").unwrap(), "Disable");
        assert_eq!(mode("postgres://p@db.example/p?sslmode=verify-ca").unwrap(), "VerifyCa");
    }

    #[test]
    fn a_bad_url_is_refused_without_showing_its_password() {
        for (url, why) in [
            ("postgres://p:hunter2@db/p?sslmode=allow", "whoever is on the way"),
            ("postgres://p:hunter2@db:port/p", "port"),
            ("postgres://p:hunter2@db/p?sslmode=sometimes", "sometimes"),
        ] {
            let said = mode(url).unwrap_err();
            assert!(said.contains(why) && !said.contains("hunter2"), "{said}");
        }
    }
}
