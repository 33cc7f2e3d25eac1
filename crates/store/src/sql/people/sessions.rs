//! Sessions, and the tickets by which they are shown.

use std::sync::LazyLock;

use jiff::Timestamp;
use portcullis_contract::identity::{
    Begun, Found, Holder, IdleBefore, Place, Session, SessionRoom, Sessions, Ticket,
};
use portcullis_contract::ports::Asking;
use portcullis_model::{ApplicationName, SessionId, UserId};
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::rows::{FoundRow, SessionRow, account, holder, holder_of, session};
use super::turn::{BATCH, Turn, filled, on, parameters};
use super::{People, asked, bytes, codes, micros, number};
use crate::sql::{DatabaseError, reading, writing};

/// How many sessions that are over are removed in one turn: others wait for it.
const PURGED_AT_ONCE: u16 = 64;

const IS_AT: &str = "SELECT version FROM account WHERE id = $1 AND version = $2 AND state = 1";
const OWN: &str =
    "SELECT id, seen_at, ends_at, holder FROM session WHERE account = $1 ORDER BY account, created_at, id";
const BEGIN: &str = "INSERT INTO session (id, account, created_at, seen_at, ends_at, address, user_agent, holder) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
/// The session must be there; for each place it has one ticket.
const ADD_TICKET: &str = "INSERT INTO ticket (hash, session, place) \
    SELECT $1, s.id, $3 FROM session s WHERE s.id = $2 AND s.ends_at > $4 \
    ON CONFLICT (session, place) DO UPDATE SET hash = excluded.hash";
const BY_TICKET: &str = concat!(
    "SELECT t.place AS t_place, ",
    session!(),
    ", ",
    account!(),
    " FROM ticket t JOIN session s ON s.id = t.session JOIN account a ON a.id = s.account WHERE t.hash = $1"
);
const BY_ID: &str = concat!(
    "SELECT ",
    session!(),
    ", ",
    account!(),
    " FROM session s JOIN account a ON a.id = s.account WHERE s.id = $1"
);
const OF_USER: &str = concat!(
    "SELECT ",
    session!(),
    " FROM session s WHERE s.account = $1 ORDER BY s.account DESC, s.created_at DESC, s.id DESC"
);
const PAGE: &str = concat!("SELECT ", session!(), " FROM session s WHERE s.id > $1 ORDER BY s.id LIMIT $2");
const ENDED: &str = "SELECT id FROM session WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2";
const IDLE: &str = "SELECT id FROM session WHERE holder = $3 AND seen_at < $1 ORDER BY seen_at LIMIT $2";
static SEEN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "UPDATE session SET seen_at = noted.column2 FROM (VALUES {}) AS noted \
        WHERE session.id = noted.column1 AND session.seen_at < noted.column2",
        parameters(BATCH, 2)
    )
});

impl Sessions for People {
    fn begin<'a>(
        &'a self,
        session: &'a Session,
        version: u64,
        ticket: Option<&'a Ticket>,
        room: SessionRoom,
    ) -> Asking<'a, Begun> {
        asked(async move {
            let mut turn = self.turn().await?;
            let as_it_was: Option<(i64,)> = on!(turn, connection => {
                let select = sqlx::query_as(IS_AT).bind(&session.user.0[..]).bind(number(version));
                select.fetch_optional(connection).await?
            });
            if as_it_was.is_none() {
                return Ok(Begun::Stale);
            }
            let begun = turn.make_room(session.user, room).await?;
            if let Begun::Yes(_) = begun {
                self.insert_session(&mut turn, session, ticket).await?;
            }
            turn.commit().await?;
            Ok(begun)
        })
    }

    fn add_ticket<'a>(&'a self, ticket: &'a Ticket) -> Asking<'a, bool> {
        asked(async move {
            let now = micros(self.clock.wall());
            let added = writing!(self.database, pool => {
                let insert = sqlx::query(ADD_TICKET).bind(&ticket.hash[..]).bind(&ticket.session.0[..]);
                let insert = insert.bind(place_column(&ticket.place)).bind(now);
                insert.execute(pool).await.map(|done| done.rows_affected())
            });
            match added.map_err(DatabaseError::from) {
                // It ended meanwhile.
                Err(error) if error.refers_to_nothing() => Ok(false),
                added => Ok(added? > 0),
            }
        })
    }

    fn by_ticket<'a>(&'a self, hash: &'a [u8; 32]) -> Asking<'a, Option<(Place, Found)>> {
        asked(async move {
            let row: Option<ShownRow> = reading!(self.database, pool => {
                sqlx::query_as(BY_TICKET).bind(&hash[..]).fetch_optional(pool).await?
            });
            row.map(|ShownRow { place, found }| Ok((place_of(&place)?, self.found(found)?))).transpose()
        })
    }

    fn by_id(&self, id: SessionId) -> Asking<'_, Option<Found>> {
        asked(async move {
            let row: Option<FoundRow> = reading!(self.database, pool => {
                sqlx::query_as(BY_ID).bind(&id.0[..]).fetch_optional(pool).await?
            });
            row.map(|row| self.found(row)).transpose()
        })
    }

    fn of_user(&self, user: UserId) -> Asking<'_, Vec<Session>> {
        asked(async move {
            let rows: Vec<SessionRow> = reading!(self.database, pool => {
                sqlx::query_as(OF_USER).bind(&user.0[..]).fetch_all(pool).await?
            });
            rows.into_iter().map(|row| self.session(row)).collect()
        })
    }

    fn page(&self, after: Option<SessionId>, count: u16) -> Asking<'_, Vec<Session>> {
        asked(async move {
            let after = after.map(|id| id.0.to_vec()).unwrap_or_default();
            let rows: Vec<SessionRow> = reading!(self.database, pool => {
                sqlx::query_as(PAGE).bind(&after).bind(i64::from(count)).fetch_all(pool).await?
            });
            rows.into_iter().map(|row| self.session(row)).collect()
        })
    }

    fn end<'a>(&'a self, ids: &'a [SessionId]) -> Asking<'a, Vec<SessionId>> {
        asked(async move {
            let mut turn = self.turn().await?;
            let ended = turn.end(ids).await?;
            turn.commit().await?;
            Ok(ended)
        })
    }

    fn end_of_user(&self, user: UserId, but: Option<SessionId>) -> Asking<'_, Vec<SessionId>> {
        asked(async move {
            let mut turn = self.turn().await?;
            let ended = turn.end_all_but(user, but).await?;
            turn.commit().await?;
            Ok(ended)
        })
    }

    fn seen<'a>(&'a self, seen: &'a [(SessionId, Timestamp)]) -> Asking<'a, ()> {
        asked(async move {
            // A turn for each batch, so that log-ins wait for one at most.
            for batch in seen.chunks(BATCH) {
                let mut turn = self.turn().await?;
                on!(turn, connection => {
                    let mut update = sqlx::query(SEEN.as_str());
                    for (id, at) in filled(batch) {
                        update = update.bind(&id.0[..]).bind(micros(*at));
                    }
                    update.execute(connection).await?;
                });
                turn.commit().await?;
            }
            Ok(())
        })
    }

    fn purge(&self, now: Timestamp, idle_before: IdleBefore, count: u16) -> Asking<'_, u64> {
        asked(async move {
            let mut purged = 0_u16;
            loop {
                let share = count.saturating_sub(purged).min(PURGED_AT_ONCE);
                let mut turn = self.turn().await?;
                let sessions = turn.purge(micros(now), idle_before, share).await?;
                let codes = codes::purge(&mut turn, now, share).await?;
                turn.commit().await?;
                purged = purged.saturating_add(sessions);
                if purged >= count || sessions.max(codes) < share {
                    return Ok(u64::from(purged));
                }
            }
        })
    }
}

impl People {
    async fn insert_session(
        &self,
        turn: &mut Turn<'_>,
        session: &Session,
        ticket: Option<&Ticket>,
    ) -> Result<(), DatabaseError> {
        let sealed = self.seal_session(session)?;
        on!(turn, connection => {
            let insert = sqlx::query(BEGIN).bind(&session.id.0[..]).bind(&session.user.0[..]);
            let insert = insert.bind(micros(session.created)).bind(micros(session.seen));
            let insert = insert.bind(micros(session.ends)).bind(&sealed.address).bind(&sealed.user_agent);
            let insert = insert.bind(holder(session.holder));
            insert.execute(connection).await?;
        });
        turn.sessions = turn.sessions.saturating_add(1);
        let Some(ticket) = ticket else { return Ok(()) };
        on!(turn, connection => {
            let insert = sqlx::query(ADD_TICKET).bind(&ticket.hash[..]).bind(&ticket.session.0[..]);
            let insert = insert.bind(place_column(&ticket.place)).bind(i64::MIN);
            insert.execute(connection).await?;
        });
        Ok(())
    }
}

impl Turn<'_> {
    /// Makes room for one more session of a user's: what is over goes, then their own oldest.
    async fn make_room(&mut self, user: UserId, room: SessionRoom) -> Result<Begun, DatabaseError> {
        let rows: Vec<(Vec<u8>, i64, i64, i16)> = on!(self, connection => {
            sqlx::query_as(OWN).bind(&user.0[..]).fetch_all(connection).await?
        });
        let (mut live, mut over) = (Vec::new(), Vec::new());
        for (id, seen_at, ends_at, held_by) in rows {
            let idle_before = room.idle_before.of(holder_of(held_by)?);
            let is_over = ends_at <= self.now() || seen_at < micros(idle_before);
            if is_over { &mut over } else { &mut live }.push(SessionId(bytes("session", &id)?));
        }
        let per_user = usize::try_from(room.per_user.max(1)).unwrap_or(usize::MAX);
        let surplus = (live.len() + 1).saturating_sub(per_user);
        let mut ended: Vec<_> = live.drain(..surplus).collect();
        over.extend(&ended);
        self.end(&over).await?;
        if self.sessions >= u64::from(room.all) {
            self.purge(self.now(), room.idle_before, PURGED_AT_ONCE).await?;
        }
        if self.sessions >= u64::from(room.all) {
            match live.first() {
                Some(oldest) => {
                    self.end(&[*oldest]).await?;
                    ended.push(*oldest);
                }
                None if ended.is_empty() => return Ok(Begun::Full),
                None => {}
            }
        }
        Ok(Begun::Yes(ended))
    }

    /// Ends sessions that are over, at most `count`; how many there were.
    async fn purge(&mut self, now: i64, idle_before: IdleBefore, count: u16) -> Result<u16, DatabaseError> {
        let mut purged = 0_u16;
        let kinds = [
            (ENDED, now, None),
            (IDLE, micros(idle_before.browsers), Some(Holder::Browser)),
            (IDLE, micros(idle_before.programs), Some(Holder::Program)),
        ];
        for (text, time, held_by) in kinds {
            let rows: Vec<(Vec<u8>,)> = on!(self, connection => {
                let select = sqlx::query_as(text).bind(time).bind(i64::from(count.saturating_sub(purged)));
                let select = match held_by {
                    Some(held_by) => select.bind(holder(held_by)),
                    None => select,
                };
                select.fetch_all(connection).await?
            });
            let mut over = Vec::with_capacity(rows.len());
            for (id,) in rows {
                over.push(SessionId(bytes("session", &id)?));
            }
            purged = purged.saturating_add(u16::try_from(self.end(&over).await?.len()).unwrap_or(u16::MAX));
        }
        Ok(purged)
    }
}

/// A session by its ticket, as it comes.
struct ShownRow {
    place: String,
    found: FoundRow,
}

impl<'r, R: Row> FromRow<'r, R> for ShownRow
where
    &'static str: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    FoundRow: FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self { place: row.try_get("t_place")?, found: FoundRow::from_row(row)? })
    }
}

fn place_column(place: &Place) -> &str {
    match place {
        Place::Portal => "",
        Place::Application(name) => name.as_str(),
    }
}

fn place_of(column: &str) -> Result<Place, DatabaseError> {
    if column.is_empty() {
        return Ok(Place::Portal);
    }
    let name = ApplicationName::parse(column).map_err(|_| DatabaseError::Unreadable("ticket"))?;
    Ok(Place::Application(name))
}

/// Every statement of this file, so that none escapes [`super::plans`].
#[cfg(test)]
pub(super) fn statements() -> Vec<&'static str> {
    vec![IS_AT, OWN, BEGIN, ADD_TICKET, BY_TICKET, BY_ID, OF_USER, PAGE, ENDED, IDLE, SEEN.as_str()]
}
