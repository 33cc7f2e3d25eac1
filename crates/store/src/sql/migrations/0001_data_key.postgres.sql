-- Wrapped data keys. A destroyed key leaves its row, with neither key nor owner: its id is never used again.
CREATE TABLE data_key (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    -- 1 a subject's, 2 a day's, 3 the store's own.
    purpose smallint NOT NULL,
    -- A blind index of the subject's name, a date, or a name.
    owner bytea CHECK (octet_length(owner) BETWEEN 1 AND 64),
    wrapped bytea,
    -- Microseconds since 1970, UTC.
    created_at bigint NOT NULL,
    destroyed_at bigint,
    UNIQUE (purpose, owner),
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL)),
    CHECK ((owner IS NULL) = (destroyed_at IS NOT NULL))
);
