-- People, their sessions and their keys. Every time is microseconds since 1970, UTC; what is called sealed opens with
-- the data key of this store alone, in its own row and column.

-- Whoever writes more than one row here updates this one first and holds it until the commit: so ends are numbered in
-- the order of their commits, and nobody waits for two others in a circle.
CREATE TABLE people_turn (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    -- The number of the last end, also when its row is forgotten.
    revocations INTEGER NOT NULL,
    -- How many rows `session` has.
    sessions INTEGER NOT NULL
) STRICT;
INSERT INTO people_turn (one, revocations, sessions) VALUES (1, 0, 0);

CREATE TABLE account (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 128),
    -- The name that applications know it by; sealed.
    user_id BLOB,
    -- The stored form of its Argon2id hash; sealed.
    password BLOB,
    password_set_at INTEGER,
    -- 1 active, 2 disabled.
    state INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account_role (
    account BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (length(role) BETWEEN 1 AND 64),
    PRIMARY KEY (account, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_role_by_role ON account_role (role, account);

CREATE TABLE session (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    account BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    -- From where it began, and the program; both sealed.
    address BLOB,
    user_agent BLOB,
    -- 1 a browser, by cookies; 2 a program, by tokens.
    holder INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_by_account ON session (account, created_at, id);
CREATE INDEX session_by_end ON session (ends_at);
CREATE INDEX session_by_use ON session (holder, seen_at);

CREATE TABLE ticket (
    -- SHA-256 of a cookie's secret.
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    session BLOB NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    -- The application that it is good for; empty for the portal.
    place TEXT NOT NULL,
    UNIQUE (session, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE refresh_family (
    -- SHA-256 of its name.
    name BLOB NOT NULL PRIMARY KEY CHECK (length(name) = 32),
    session BLOB NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    client TEXT NOT NULL,
    ends_at INTEGER NOT NULL,
    idles_at INTEGER NOT NULL,
    -- Hashes of the tokens that may be used, one behind the other.
    usable BLOB NOT NULL CHECK (length(usable) % 32 = 0),
    -- The hash of the token that was used last, and when.
    used BLOB CHECK (length(used) = 32),
    used_at INTEGER,
    -- 1 when all of it is over.
    revoked INTEGER NOT NULL,
    version INTEGER NOT NULL,
    CHECK ((used IS NULL) = (used_at IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_family_by_session ON refresh_family (session);

CREATE TABLE api_key (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    owner BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- Words with commas between them.
    permissions TEXT NOT NULL,
    applications TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    used_at INTEGER,
    -- HMAC-SHA-256 of the key, and of the one before a rotation until it ends.
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    before_hash BLOB CHECK (length(before_hash) = 32),
    before_until INTEGER,
    CHECK ((before_hash IS NULL) = (before_until IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX api_key_by_owner ON api_key (owner, id);
CREATE INDEX api_key_by_hash_before ON api_key (before_hash);

CREATE TABLE one_time_code (
    -- 1 a set-up, 2 a hand-over.
    used_for INTEGER NOT NULL,
    -- SHA-256 of the code.
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    -- Sealed.
    stands_for BLOB NOT NULL,
    ends_at INTEGER NOT NULL,
    PRIMARY KEY (used_for, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX one_time_code_by_end ON one_time_code (ends_at);

CREATE TABLE keyring (
    name TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
    version INTEGER NOT NULL,
    -- Sealed.
    content BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What ended, for those who remember it.
CREATE TABLE revocation (
    number INTEGER NOT NULL PRIMARY KEY,
    -- 1 a session, 2 a user, 3 an API key, 4 signing keys, which have no id.
    kind INTEGER NOT NULL,
    id BLOB CHECK (length(id) = 16),
    ended_at INTEGER NOT NULL
) STRICT;
CREATE INDEX revocation_by_time ON revocation (ended_at);
