-- What the evaluator of alert rules continues from after a restart. The transitions are in
-- alert_rows.

-- The state of each rule and of each of its groups after an evaluation. A rule's own row has no
-- fingerprint: it says up to when the rule has been evaluated. The rows of one evaluation are
-- written in one INSERT.
CREATE TABLE IF NOT EXISTS alert_state_rows
(
    rule        LowCardinality(String),
    fingerprint String,
    labels      Map(LowCardinality(String), String),
    state       LowCardinality(String),
    since       DateTime64(3, 'UTC'), -- when it became pending or firing
    low_since   DateTime64(3, 'UTC'), -- since when the value of a firing alert is low again; 1970: it is not
    notice      String,               -- the notification that was made when it fired, JSON
    evaluated   DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(evaluated)
ORDER BY (rule, fingerprint)
TTL toDateTime(evaluated) + INTERVAL 800 DAY;

-- Notifications on their way. A settled row wins over a queued one, however often that is written
-- again, so a notification that was sent never returns to the queue.
CREATE TABLE IF NOT EXISTS alert_delivery_rows
(
    target      LowCardinality(String),
    rule        LowCardinality(String),
    fingerprint String,
    ts          DateTime64(3, 'UTC'),
    `to`        LowCardinality(String),
    body        String CODEC(ZSTD),
    outcome     LowCardinality(String), -- queued, sent, refused, expired
    settled     UInt8,
    at          DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(settled)
ORDER BY (target, rule, fingerprint, ts, `to`)
TTL toDateTime(ts) + INTERVAL 800 DAY;

CREATE OR REPLACE VIEW alert_states AS
SELECT rule, fingerprint, labels, state, since, low_since, notice, evaluated
FROM alert_state_rows FINAL;

CREATE OR REPLACE VIEW alert_deliveries AS
SELECT target, rule, fingerprint, ts, `to`, body, outcome, at
FROM alert_delivery_rows FINAL;
