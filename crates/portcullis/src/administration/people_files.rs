//! Files of users of other programs, read into accounts. Nothing is done here: what is good and what is not, and why, is all that
//! comes out.

use std::collections::BTreeMap;

use portcullis_access::password::StoredPassword;
use portcullis_model::{RoleName, UserName};
use serde::Deserialize;

use crate::cli::UserFormat;

/// An account that a file tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Where: a line, or an entry's number where lines tell little.
    pub(super) at: u64,
    pub(super) name: String,
    pub(super) password_hash: String,
    pub(super) roles: Vec<String>,
    pub(super) user_id: Option<String>,
}

/// An account that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) at: u64,
    pub(super) name: String,
    pub(super) reason: String,
}

/// What is in a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) good: Vec<Found>,
    pub(super) bad: Vec<Bad>,
}

/// Reads a file. The error is about the file as a whole.
pub(super) fn read(text: &str, format: UserFormat, roles: &[String]) -> Result<Read, String> {
    let found = match format {
        UserFormat::Htpasswd => htpasswd(text),
        UserFormat::Authelia => authelia(text)?,
        UserFormat::Csv => csv(text)?,
    };
    let mut read = Read::default();
    for one in found {
        match one.and_then(|mut found| {
            found.roles.extend(roles.iter().cloned());
            checked(found)
        }) {
            Ok(found) => read.good.push(found),
            Err(bad) => read.bad.push(bad),
        }
    }
    Ok(read)
}

/// What can be said without the node.
fn checked(found: Found) -> Result<Found, Bad> {
    let bad = |reason: String| Bad { at: found.at, name: found.name.clone(), reason };
    UserName::parse(&found.name).map_err(|why| bad(why.to_string()))?;
    StoredPassword::parse(&found.password_hash).map_err(|why| bad(why.to_string()))?;
    if let Some((role, why)) = found.roles.iter().find_map(|role| Some((role, RoleName::parse(role).err()?)))
    {
        return Err(bad(format!("role `{role}`: {why}")));
    }
    Ok(found)
}

fn htpasswd(text: &str) -> Vec<Result<Found, Bad>> {
    let lines = (1..).zip(text.lines().map(str::trim));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(at, line)| match line.split_once(':') {
            Some((name, hash)) => Ok(Found {
                at,
                name: name.to_owned(),
                password_hash: hash.to_owned(),
                roles: Vec::new(),
                user_id: None,
            }),
            // It may be anything, so it is not shown.
            None => Err(Bad { at, name: "?".into(), reason: "a line is `NAME:HASH`".into() }),
        })
        .collect()
}

/// Authelia's file, as far as accounts are concerned.
#[derive(Deserialize)]
struct Authelia {
    users: BTreeMap<String, AutheliaUser>,
}

#[derive(Deserialize)]
struct AutheliaUser {
    #[serde(default)]
    disabled: bool,
    password: String,
    #[serde(default)]
    groups: Vec<String>,
}

fn authelia(text: &str) -> Result<Vec<Result<Found, Bad>>, String> {
    // What the library says quotes the text around a mistake, which may be a hash.
    let file: Authelia = serde_saphyr::from_str(text).map_err(|why| {
        let place = why.location().map(|at| format!(" near line {}", at.line())).unwrap_or_default();
        format!("this is not the form of Authelia's `users_database.yml`{place}")
    })?;
    let users = (1..).zip(file.users);
    Ok(users
        .map(|(at, (name, user))| {
            if user.disabled {
                let reason = "the account is disabled there: leave it out, or enable it".into();
                return Err(Bad { at, name, reason });
            }
            Ok(Found { at, name, password_hash: user.password, roles: user.groups, user_id: None })
        })
        .collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CsvUser {
    name: String,
    password_hash: String,
    #[serde(default)]
    roles: String,
    #[serde(default)]
    user_id: Option<String>,
}

fn csv(text: &str) -> Result<Vec<Result<Found, Bad>>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let head = reader.headers().map_err(|_| "the head cannot be read")?.clone();
    let known = ["name", "password_hash", "roles", "user_id"];
    if let Some(other) = head.iter().find(|column| !known.contains(column)) {
        return Err(format!(
            "a column `{}` is not known; there are {}",
            other.escape_debug(),
            known.join(", ")
        ));
    }
    if !known.iter().take(2).all(|needed| head.iter().any(|column| column == *needed)) {
        return Err("the first line must name at least the columns `name` and `password_hash`".into());
    }
    let mut found = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        let read = reader.read_record(&mut record);
        let at = record.position().map_or(0, csv::Position::line);
        match read {
            Ok(false) => return Ok(found),
            Ok(true) => {}
            Err(_) => {
                let reason = "it has another number of columns than the head, or is no text".into();
                found.push(Err(Bad { at, name: "?".into(), reason }));
                continue;
            }
        }
        found.push(match record.deserialize::<CsvUser>(Some(&head)) {
            Ok(user) => Ok(Found {
                at,
                name: user.name,
                password_hash: user.password_hash,
                roles: user.roles.split_whitespace().map(str::to_owned).collect(),
                user_id: user.user_id.filter(|id| !id.is_empty()),
            }),
            Err(_) => Err(Bad { at, name: "?".into(), reason: "it cannot be read".into() }),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuQ6SL8TPjLSAmGuTNb9VBmyCbxEVlEJa";
    const ARGON2: &str =
        "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$aDRrN2tKWmRuTHF6d2JpbnVBZWhXeFp1bHlGdz0xMjM";

    /// What a file comes to, one line for each account.
    #[track_caller]
    fn check(text: &str, format: UserFormat, expected: &[&str]) {
        let said = match read(text, format, &["user".to_owned()]) {
            Err(why) => vec![format!("file: {why}")],
            Ok(Read { good, bad }) => {
                let good = good.iter().map(|one| {
                    format!(
                        "{} {} {} {}",
                        one.at,
                        one.name,
                        one.roles.join("+"),
                        one.user_id.as_deref().unwrap_or("-")
                    )
                });
                let bad = bad.iter().map(|one| format!("{} {}: {}", one.at, one.name, one.reason));
                good.chain(bad).collect()
            }
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn htpasswd_has_a_name_and_a_hash_in_each_line() {
        let text = format!(
            "# people\nann:{BCRYPT}\n\nbob:{{SHA}}0DPiKuNIrrVmD8IUCuw1hQxNqZc=\r\ncarl:$apr1$abc$def\ndora\ne f:{BCRYPT}\ngus:plain text\n"
        );
        check(
            &text,
            UserFormat::Htpasswd,
            &[
                "2 ann user -",
                "4 bob: `{SHA}` hashes are guessed in no time; give the account a new password",
                "5 carl: `MD5-crypt` hashes are guessed in no time; give the account a new password",
                "6 ?: a line is `NAME:HASH`",
                "7 e f: ` ` is not allowed in a user's name; use letters a to z, digits, `.`, `_`, `+`, `@` and `-`",
                "8 gus: this is no form of a stored password; a password in plain text cannot be imported",
            ],
        );
    }

    #[test]
    fn authelias_groups_become_roles() {
        let text = format!(
            "users:\n  ann:\n    disabled: false\n    displayname: 'Ann A.'\n    password: '{ARGON2}'\n    email: a@b.example\n    \
             groups: ['admins', 'dev']\n  bob:\n    disabled: true\n    password: '{ARGON2}'\n"
        );
        check(
            &text,
            UserFormat::Authelia,
            &["1 ann admins+dev+user -", "2 bob: the account is disabled there: leave it out, or enable it"],
        );
        let secret = "users:\n  ann: [topsecret\n";
        let Err(why) = read(secret, UserFormat::Authelia, &[]) else { panic!("it is no YAML") };
        assert!(why.starts_with("this is not the form of Authelia") && !why.contains("topsecret"), "{why}");
    }

    #[test]
    fn a_table_has_a_head() {
        let text = format!(
            "name,password_hash,roles,user_id\nann,{BCRYPT},admin editor,U-7\n\"bob@example.com\",\"{ARGON2}\",,\ncarl,{BCRYPT}\nann,,,\n"
        );
        check(
            &text,
            UserFormat::Csv,
            &[
                "2 ann admin+editor+user U-7",
                "3 bob@example.com user -",
                "4 ?: it has another number of columns than the head, or is no text",
                "5 ann: this is no form of a stored password; a password in plain text cannot be imported",
            ],
        );
        check(
            "name,hash\n",
            UserFormat::Csv,
            &["file: a column `hash` is not known; there are name, password_hash, roles, user_id"],
        );
        check(
            "name\n",
            UserFormat::Csv,
            &["file: the first line must name at least the columns `name` and `password_hash`"],
        );
    }
}
