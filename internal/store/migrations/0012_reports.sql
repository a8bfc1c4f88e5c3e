-- Reports that were recorded. A day whose counts changed afterwards gets another revision.
CREATE TABLE IF NOT EXISTS report_rows
(
    date           Date,
    period         LowCardinality(String), -- day, week
    zone           LowCardinality(String),
    scope          String,                 -- all, or tenants and owner
    revision       UInt32,
    made_at        DateTime64(3, 'UTC'),
    verdict        LowCardinality(String),
    sentence       String,
    watermark      DateTime64(3, 'UTC'),   -- 1970: unknown
    requests       UInt64,
    error_requests UInt64,
    errors         UInt64,
    late_requests  Int64,                  -- more than in the revision before
    late_errors    Int64,
    sent           DateTime64(3, 'UTC')    -- 1970: it was not
)
ENGINE = ReplacingMergeTree(sent)
ORDER BY (date, period, zone, scope, revision)
TTL date + INTERVAL 800 DAY;

CREATE OR REPLACE VIEW reports AS
SELECT date, period, zone, scope, revision, made_at, verdict, sentence, watermark, requests, error_requests, errors, late_requests, late_errors, sent
FROM report_rows FINAL;
