-- The audit trail: rows are added at the end and taken only by retention, which announces it in the trail itself.
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    time_ns INTEGER NOT NULL,
    agent_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    details TEXT NOT NULL,
    hash BLOB NOT NULL
);
CREATE INDEX audit_of_agent ON audit (agent_id, sequence);
CREATE INDEX audit_of_type ON audit (event_type, sequence);
CREATE TABLE audit_retention (
    through INTEGER PRIMARY KEY
);
CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit WHEN NOT EXISTS (SELECT 1 FROM audit_retention WHERE through >= OLD.sequence) BEGIN SELECT RAISE(ABORT, 'the audit trail is only shortened by retention'); END;
