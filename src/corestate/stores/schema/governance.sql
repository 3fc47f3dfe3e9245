-- Governed agents and budgets: what of them outlives the region. Amounts are micro-units. warned: the warning at nine tenths
-- is in the audit trail. period_number: the day or month, counted from a fixed one, in which this was spent.
CREATE TABLE budgets (
    name TEXT PRIMARY KEY,
    amount_limit INTEGER NOT NULL,
    spent INTEGER NOT NULL DEFAULT 0,
    detections INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 0,
    warned INTEGER NOT NULL DEFAULT 0,
    period TEXT NOT NULL DEFAULT '',
    period_number INTEGER NOT NULL DEFAULT 0
);
-- What was last committed from each place for a reservation in a region: says how to settle those of the dead.
CREATE TABLE commitments (
    region TEXT NOT NULL,
    place INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    budget TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (region, place)
);
-- Under which boot and session the budgets of a region were last loaded from here.
CREATE TABLE budget_regions (
    region TEXT PRIMARY KEY,
    boot TEXT NOT NULL
);
-- registration and changes say which status of the live registry this one is: see governance/agents.py.
CREATE TABLE governed (
    id TEXT PRIMARY KEY,
    type INTEGER NOT NULL,
    status INTEGER NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    data TEXT NOT NULL DEFAULT '{}',
    version INTEGER NOT NULL DEFAULT 0,
    updated_ns INTEGER NOT NULL,
    registration TEXT NOT NULL,
    changes INTEGER NOT NULL
);
CREATE INDEX governed_by_status ON governed (status);
