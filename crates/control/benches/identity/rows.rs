//! The rows of a crowd, as the product would have written them: same columns, same seals, same hashes.

use jiff::Timestamp;
use portcullis_contract::identity::Holder;
use portcullis_protect::{DataKey, Place, Sealed};
use secrecy::ExposeSecret as _;

use crate::crowd::{self, Crowd};
use crate::outside::{hash_key, shop};

/// What stands in a column.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row.
pub(crate) type Row = Vec<Cell>;

/// A table, and the rows that one number of a crowd brings to it.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static str,
    pub(crate) of: Of,
    rows: fn(&Rows, u64) -> Vec<Row>,
}

/// What the numbers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Users,
    Sessions,
}

/// All tables, those first to which others refer.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "account",
        columns: "id, name, user_id, password, password_set_at, state, created_at, version",
        of: Of::Users,
        rows: Rows::account,
    },
    Table { name: "account_role", columns: "account, role", of: Of::Users, rows: Rows::roles },
    Table {
        name: "api_key",
        columns: "id, name, owner, permissions, applications, created_at, expires_at, used_at, hash, before_hash, \
            before_until",
        of: Of::Users,
        rows: Rows::key,
    },
    Table {
        name: "session",
        columns: "id, account, created_at, seen_at, ends_at, address, user_agent, holder",
        of: Of::Sessions,
        rows: Rows::session,
    },
    Table { name: "ticket", columns: "hash, session, place", of: Of::Sessions, rows: Rows::ticket },
    Table {
        name: "refresh_family",
        columns: "name, session, client, ends_at, idles_at, usable, used, used_at, revoked, version",
        of: Of::Sessions,
        rows: Rows::family,
    },
];

/// What makes rows.
pub(crate) struct Rows {
    crowd: Crowd,
    now: Timestamp,
    key: DataKey,
    password: String,
}

impl Table {
    /// How many numbers it has rows of.
    pub(crate) fn numbers(&self, crowd: Crowd) -> u64 {
        match self.of {
            Of::Users => crowd.users,
            Of::Sessions => crowd.sessions(),
        }
    }
}

impl Rows {
    pub(crate) fn new(crowd: Crowd) -> Self {
        Self { crowd, now: Timestamp::now(), key: crowd::key(), password: crowd::password() }
    }

    pub(crate) fn of(&self, table: &Table, number: u64) -> Vec<Row> {
        (table.rows)(self, number)
    }

    fn account(&self, user: u64) -> Vec<Row> {
        let id = self.crowd.user_id(user).0;
        vec![vec![
            bytes(&id),
            Cell::Text(crowd::name(user)),
            self.sealed("account", "user_id", &id, &format!("staff-{user}")),
            self.sealed("account", "password", &id, &self.password),
            micros(self.now),
            Cell::Number(1),
            micros(self.now),
            Cell::Number(0),
        ]]
    }

    fn roles(&self, user: u64) -> Vec<Row> {
        let held = ["admin", "user"].into_iter().filter(|role| *role == "user" || crowd::administers(user));
        held.map(|role| vec![bytes(&self.crowd.user_id(user).0), Cell::Text(role.to_owned())]).collect()
    }

    fn key(&self, user: u64) -> Vec<Row> {
        if !crowd::has_key(user) {
            return Vec::new();
        }
        let hash = hash_key().hash(crowd::key_text(user).expose_secret());
        vec![vec![
            bytes(&self.crowd.key_id(user).0),
            Cell::Text(format!("key-{user}")),
            bytes(&self.crowd.user_id(user).0),
            Cell::Text("read:tasks".to_owned()),
            Cell::Text(String::new()),
            micros(self.now),
            Cell::Null,
            Cell::Null,
            bytes(hash.bytes()),
            Cell::Null,
            Cell::Null,
        ]]
    }

    fn session(&self, number: u64) -> Vec<Row> {
        let session = self.crowd.session(number, self.now);
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let address = format!("2001:db8:{:x}::{:x}", number >> 16 & 0xffff, number & 0xffff);
        vec![vec![
            bytes(&session.id.0),
            bytes(&self.crowd.user_id(session.user).0),
            micros(session.created),
            micros(session.seen),
            micros(session.ends),
            self.sealed("session", "address", &session.id.0, &address),
            self.sealed("session", "user_agent", &session.id.0, agent),
            Cell::Number(match session.holder {
                Holder::Browser => 1,
                Holder::Program => 2,
            }),
        ]]
    }

    fn ticket(&self, number: u64) -> Vec<Row> {
        if self.crowd.holder(number) != Holder::Browser {
            return Vec::new();
        }
        let (_, hash) = crowd::cookie(number);
        vec![vec![
            bytes(&hash),
            bytes(&self.crowd.session_id(number).0),
            Cell::Text(shop().as_str().to_owned()),
        ]]
    }

    fn family(&self, number: u64) -> Vec<Row> {
        if self.crowd.holder(number) != Holder::Program {
            return Vec::new();
        }
        let session = self.crowd.session(number, self.now);
        let (family, _) = crowd::family(&session, number);
        vec![vec![
            bytes(&family.name.0),
            bytes(&session.id.0),
            Cell::Text(family.client.into()),
            micros(family.ends),
            micros(family.idles),
            Cell::Bytes(family.current.iter().flat_map(|hash| hash.0).collect()),
            Cell::Null,
            Cell::Null,
            Cell::Number(0),
            Cell::Number(0),
        ]]
    }

    fn sealed(&self, table: &str, column: &str, row: &[u8], text: &str) -> Cell {
        let mut nonce = [0; 12];
        aws_lc_rs::rand::fill(&mut nonce).unwrap();
        let place = Place::Cell { table, column, row };
        Cell::Bytes(Sealed::new(&self.key, place, nonce, text.as_bytes()).unwrap().to_bytes())
    }
}

fn bytes(bytes: &[u8]) -> Cell {
    Cell::Bytes(bytes.to_vec())
}

fn micros(time: Timestamp) -> Cell {
    Cell::Number(time.as_microsecond())
}
