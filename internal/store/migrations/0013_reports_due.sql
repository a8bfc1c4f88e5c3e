-- Reports that a schedule has promised. A promise is written before it is due, so that it can be
-- seen that a report is missing while nothing runs that would send it. Sent and missed are final.
CREATE TABLE IF NOT EXISTS report_due_rows
(
    date     Date,
    period   LowCardinality(String), -- day, week
    zone     LowCardinality(String),
    scope    String,                 -- as in reports
    schedule String,                 -- what the schedule reports on: a scope, or each tenant
    due      DateTime64(3, 'UTC'),
    outcome  LowCardinality(String), -- due, sent, withdrawn, missed
    settled  UInt8,                  -- 1: sent or missed
    at       DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(settled)
ORDER BY (date, period, zone, scope)
TTL date + INTERVAL 800 DAY;

CREATE OR REPLACE VIEW reports_due AS
SELECT date, period, zone, scope, schedule, due, outcome, at
FROM report_due_rows FINAL;
