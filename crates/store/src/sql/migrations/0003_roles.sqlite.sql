-- Roles that administrators keep; those of the configuration are not here. That they changed is an end of kind 5, which has
-- no id.
CREATE TABLE kept_role (
    name TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
    -- Words with commas between them.
    permissions TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
