-- Scoped values: what is current, every version there was, and every change in the order of the commits.
CREATE TABLE scopes (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE,
    keys INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    changed INTEGER NOT NULL DEFAULT 0,
    forked_from BLOB,
    forked_at INTEGER
);
CREATE TABLE entries (
    scope INTEGER NOT NULL REFERENCES scopes (id),
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    tag INTEGER NOT NULL,
    value BLOB NOT NULL,
    expires_ns INTEGER NOT NULL DEFAULT 0,
    time_ns INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX entries_expiring ON entries (expires_ns) WHERE expires_ns > 0;
CREATE TABLE versions (
    scope INTEGER NOT NULL REFERENCES scopes (id),
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    tag INTEGER,
    value BLOB,
    operation TEXT NOT NULL,
    change INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    PRIMARY KEY (scope, key, version)
) WITHOUT ROWID;
CREATE TABLE last_change (sequence INTEGER NOT NULL);
INSERT INTO last_change VALUES (0);
CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY,
    time_ns INTEGER NOT NULL,
    operation TEXT NOT NULL,
    scope INTEGER NOT NULL REFERENCES scopes (id),
    key TEXT NOT NULL,
    version INTEGER NOT NULL
);
CREATE INDEX changes_of_scope ON changes (scope, sequence);
