-- Tasks, newest first: the id is the order in which they were pushed. leases counts the fencing tokens given out.
CREATE TABLE tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    tag INTEGER NOT NULL,
    data BLOB NOT NULL,
    parent INTEGER REFERENCES tasks (id),
    depth INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    workflow TEXT,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL,
    open_children INTEGER NOT NULL DEFAULT 0,
    worker TEXT,
    token INTEGER NOT NULL DEFAULT 0,
    due_ns INTEGER NOT NULL DEFAULT 0,
    result_tag INTEGER,
    result BLOB,
    error TEXT,
    pushed_ns INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL
);
CREATE INDEX tasks_ready ON tasks (id) WHERE status = 'ready';
CREATE INDEX tasks_leased ON tasks (due_ns) WHERE status = 'leased';
CREATE INDEX tasks_of_parent ON tasks (parent) WHERE parent IS NOT NULL;
CREATE TABLE leases (token INTEGER NOT NULL);
INSERT INTO leases VALUES (0);
