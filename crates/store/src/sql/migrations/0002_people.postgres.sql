-- People, their sessions and their keys. Every time is microseconds since 1970, UTC; what is called sealed opens with
-- the data key of this store alone, in its own row and column.

-- Whoever writes more than one row here updates this one first and holds it until the commit: so ends are numbered in
-- the order of their commits, and nobody waits for two others in a circle.
CREATE TABLE people_turn (
    one smallint NOT NULL PRIMARY KEY CHECK (one = 1),
    -- The number of the last end, also when its row is forgotten.
    revocations bigint NOT NULL,
    -- How many rows `session` has.
    sessions bigint NOT NULL
);
INSERT INTO people_turn (one, revocations, sessions) VALUES (1, 0, 0);

CREATE TABLE account (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    name text COLLATE "C" NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 128),
    -- The name that applications know it by; sealed.
    user_id bytea,
    -- The stored form of its Argon2id hash; sealed.
    password bytea,
    password_set_at bigint,
    -- 1 active, 2 disabled.
    state smallint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL
);

CREATE TABLE account_role (
    account bytea NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role text COLLATE "C" NOT NULL CHECK (length(role) BETWEEN 1 AND 64),
    PRIMARY KEY (account, role)
);
CREATE INDEX account_role_by_role ON account_role (role, account);

CREATE TABLE session (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    account bytea NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created_at bigint NOT NULL,
    seen_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    -- From where it began, and the program; both sealed.
    address bytea,
    user_agent bytea,
    -- 1 a browser, by cookies; 2 a program, by tokens.
    holder smallint NOT NULL
);
CREATE INDEX session_by_account ON session (account, created_at, id);
CREATE INDEX session_by_end ON session (ends_at);
CREATE INDEX session_by_use ON session (holder, seen_at);

CREATE TABLE ticket (
    -- SHA-256 of a cookie's secret.
    hash bytea NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32),
    session bytea NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    -- The application that it is good for; empty for the portal.
    place text COLLATE "C" NOT NULL,
    UNIQUE (session, place)
);

CREATE TABLE refresh_family (
    -- SHA-256 of its name.
    name bytea NOT NULL PRIMARY KEY CHECK (octet_length(name) = 32),
    session bytea NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    client text NOT NULL,
    ends_at bigint NOT NULL,
    idles_at bigint NOT NULL,
    -- Hashes of the tokens that may be used, one behind the other.
    usable bytea NOT NULL CHECK (octet_length(usable) % 32 = 0),
    -- The hash of the token that was used last, and when.
    used bytea CHECK (octet_length(used) = 32),
    used_at bigint,
    -- 1 when all of it is over.
    revoked smallint NOT NULL,
    version bigint NOT NULL,
    CHECK ((used IS NULL) = (used_at IS NULL))
);
CREATE INDEX refresh_family_by_session ON refresh_family (session);

CREATE TABLE api_key (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    name text COLLATE "C" NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    owner bytea NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- Words with commas between them.
    permissions text NOT NULL,
    applications text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    used_at bigint,
    -- HMAC-SHA-256 of the key, and of the one before a rotation until it ends.
    hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    before_hash bytea CHECK (octet_length(before_hash) = 32),
    before_until bigint,
    CHECK ((before_hash IS NULL) = (before_until IS NULL))
);
CREATE INDEX api_key_by_owner ON api_key (owner, id);
CREATE INDEX api_key_by_hash_before ON api_key (before_hash);

CREATE TABLE one_time_code (
    -- 1 a set-up, 2 a hand-over.
    used_for smallint NOT NULL,
    -- SHA-256 of the code.
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    -- Sealed.
    stands_for bytea NOT NULL,
    ends_at bigint NOT NULL,
    PRIMARY KEY (used_for, hash)
);
CREATE INDEX one_time_code_by_end ON one_time_code (ends_at);

CREATE TABLE keyring (
    name text COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
    version bigint NOT NULL,
    -- Sealed.
    content bytea NOT NULL
);

-- What ended, for those who remember it.
CREATE TABLE revocation (
    number bigint NOT NULL PRIMARY KEY,
    -- 1 a session, 2 a user, 3 an API key, 4 signing keys, which have no id.
    kind smallint NOT NULL,
    id bytea CHECK (octet_length(id) = 16),
    ended_at bigint NOT NULL
);
CREATE INDEX revocation_by_time ON revocation (ended_at);
