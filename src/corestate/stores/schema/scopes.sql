-- Scoped values. Every change is one row, which its key's next change names as its previous: a key's history is that chain.
CREATE TABLE scopes (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE,
    keys INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    forked_from BLOB,
    forked_at INTEGER
);
-- What is current. change is where the key's chain begins.
CREATE TABLE entries (
    scope INTEGER NOT NULL REFERENCES scopes (id),
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    change INTEGER NOT NULL,
    tag INTEGER NOT NULL,
    value BLOB NOT NULL,
    expires_ns INTEGER NOT NULL DEFAULT 0,
    time_ns INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX entries_expiring ON entries (expires_ns) WHERE expires_ns > 0;
-- Keys that had a value and have none: where their chains begin, so that versions go on and histories are found.
CREATE TABLE deleted (
    scope INTEGER NOT NULL REFERENCES scopes (id),
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    change INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
-- In the order of the commits. The row of a deletion has no value; kept is 0 where retention has taken it.
CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY,
    time_ns INTEGER NOT NULL,
    operation TEXT NOT NULL,
    scope INTEGER NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    previous INTEGER,
    kept INTEGER NOT NULL DEFAULT 1,
    tag INTEGER,
    value BLOB
);
