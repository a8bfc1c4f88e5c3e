-- A delivery's key is the same whenever it is sent, so that a target can tell a repeat. A delivery
-- of a receiver covers groups of alerts; the events that it carries name it by its key. The receipt
-- is the target's name for the first message of a thread, by which a later one edits it or replies.
-- The outcomes of an event are waiting, grouped, muted and skipped.
ALTER TABLE alert_delivery_rows
    ADD COLUMN IF NOT EXISTS key String,
    ADD COLUMN IF NOT EXISTS groups Array(String),
    ADD COLUMN IF NOT EXISTS receipt String;

CREATE OR REPLACE VIEW alert_deliveries AS
SELECT target, rule, fingerprint, ts, `to`, body, outcome, at, key, groups, receipt
FROM alert_delivery_rows FINAL;

-- Silences: alerts that match are told to nobody until a silence ends.
CREATE TABLE IF NOT EXISTS silence_rows
(
    id       String,
    matchers String, -- as in {tenant="acme", code=~"OSM.*"}
    starts   DateTime64(3, 'UTC'),
    ends     DateTime64(3, 'UTC'),
    author  String,
    comment String,
    at      DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY id
TTL toDateTime(ends) + INTERVAL 800 DAY;

CREATE OR REPLACE VIEW silences AS
SELECT id, matchers, starts, ends, author, comment, at
FROM silence_rows FINAL;

-- What people have said about a code of a tenant, `*` for all tenants. The latest row counts.
CREATE TABLE IF NOT EXISTS code_state_rows
(
    tenant  LowCardinality(String),
    code    String,
    state   LowCardinality(String),   -- acknowledged, ignored, fixed, open
    until   DateTime64(3, 'UTC'),     -- of ignored; 1970: without end
    above   UInt64,                   -- of ignored: it ends with an alert of more errors; 0: never
    author  String,
    comment String,
    at      DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (tenant, code);

CREATE OR REPLACE VIEW code_states AS
SELECT tenant, code, state, until, above, author, comment, at
FROM code_state_rows FINAL
WHERE state != 'open';
