-- Wrapped data keys. A destroyed key leaves its row, with neither key nor owner: its id is never used again.
CREATE TABLE data_key (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    -- 1 a subject's, 2 a day's, 3 the store's own.
    purpose INTEGER NOT NULL,
    -- A blind index of the subject's name, a date, or a name.
    owner BLOB CHECK (length(owner) BETWEEN 1 AND 64),
    wrapped BLOB,
    -- Microseconds since 1970, UTC.
    created_at INTEGER NOT NULL,
    destroyed_at INTEGER,
    UNIQUE (purpose, owner),
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL)),
    CHECK ((owner IS NULL) = (destroyed_at IS NOT NULL))
) STRICT, WITHOUT ROWID;
