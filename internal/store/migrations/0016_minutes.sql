-- A rollup writes minutes too, one row for each minute and group, however many batches had rows of
-- it. The views of minutes read these rows for rolled-up days.
CREATE TABLE IF NOT EXISTS traffic_minute_rows
(
    minute     DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    tenant     LowCardinality(String),
    service    LowCardinality(String),
    route      LowCardinality(String),
    status     UInt16,
    body_state LowCardinality(String),
    topic      LowCardinality(String),
    fold       UInt64,
    requests   UInt64,
    errors     UInt64
)
ENGINE = MergeTree
PARTITION BY (toDate(minute), fold)
ORDER BY (toStartOfHour(minute), tenant, service, route, status, body_state, topic, minute)
TTL toDateTime(minute) + INTERVAL 800 DAY
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS error_minute_rows
(
    minute     DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    tenant     LowCardinality(String),
    service    LowCardinality(String),
    route      LowCardinality(String),
    family     LowCardinality(String),
    kind       LowCardinality(String),
    code       LowCardinality(String),
    dialect    LowCardinality(String),
    topic      LowCardinality(String),
    fold       UInt64,
    errors     UInt64,
    first_seen DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    last_seen  DateTime64(3, 'UTC') CODEC(Delta, ZSTD)
)
ENGINE = MergeTree
PARTITION BY (toDate(minute), fold)
ORDER BY (toStartOfHour(minute), tenant, code, service, route, dialect, family, kind, topic, minute)
TTL toDateTime(minute) + INTERVAL 800 DAY
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1;

-- A rollup of an earlier version has hours alone. Its day is rolled up again.
ALTER TABLE fold_rows ADD COLUMN IF NOT EXISTS minutes UInt8;

CREATE OR REPLACE VIEW folded_days AS
SELECT f.day AS day, f.fold AS fold, f.minutes AS minutes
FROM (SELECT day, fold, mark, minutes FROM fold_rows FINAL) AS f
LEFT JOIN (SELECT day, groupBitXor(mark) AS mark FROM day_change_rows GROUP BY day) AS c ON f.day = c.day
WHERE f.mark = c.mark OR f.day <= today() - 798;

-- The rows that count, as the batches wrote them, for the views below.
CREATE OR REPLACE VIEW traffic_minute_by_batch AS
SELECT minute, tenant, service, route, status, body_state, topic, requests, errors, errors AS error_requests
FROM traffic_sums FINAL
WHERE if((SELECT count() FROM epoch_switches) = 0, epoch = 0,
    ((sipHash128(topic), partition, first_offset, epoch) IN (SELECT sipHash128(topic), partition, first_offset, arrayJoin([0, max(epoch)])
        FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0))
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW error_minute_by_batch AS
SELECT minute, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_sums FINAL
WHERE if((SELECT count() FROM epoch_switches) = 0, epoch = 0,
    ((sipHash128(topic), partition, first_offset, epoch) IN (SELECT sipHash128(topic), partition, first_offset, arrayJoin([0, max(epoch)])
        FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0))
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- As in the views of hours, a query reads the list of days once, as a constant.
CREATE OR REPLACE VIEW traffic_minute AS
WITH (SELECT (groupArray(day), groupArray(fold)) FROM folded_days WHERE minutes) AS folded
SELECT minute, tenant, service, route, status, body_state, topic, requests, errors, errors AS error_requests
FROM traffic_minute_rows
WHERE (toDate(minute), fold) IN arrayZip(folded.1, folded.2)
UNION ALL
SELECT minute, tenant, service, route, status, body_state, topic, requests, errors, error_requests
FROM traffic_minute_by_batch
WHERE toDate(minute) NOT IN folded.1;

CREATE OR REPLACE VIEW error_minute AS
WITH (SELECT (groupArray(day), groupArray(fold)) FROM folded_days WHERE minutes) AS folded
SELECT minute, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_minute_rows
WHERE (toDate(minute), fold) IN arrayZip(folded.1, folded.2)
UNION ALL
SELECT minute, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_minute_by_batch
WHERE toDate(minute) NOT IN folded.1;

CREATE OR REPLACE VIEW traffic_hour AS
WITH (SELECT (groupArray(day), groupArray(fold)) FROM folded_days) AS folded
SELECT hour, tenant, service, route, status, body_state, topic, requests, errors, errors AS error_requests
FROM traffic_hour_rows
WHERE (toDate(hour), fold) IN arrayZip(folded.1, folded.2)
UNION ALL
SELECT CAST(toStartOfHour(minute), 'DateTime64(3, \'UTC\')') AS hour, tenant, service, route, status, body_state, topic, requests, errors, error_requests
FROM traffic_minute_by_batch
WHERE toDate(minute) NOT IN folded.1;

CREATE OR REPLACE VIEW error_hour AS
WITH (SELECT (groupArray(day), groupArray(fold)) FROM folded_days) AS folded
SELECT hour, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_hour_rows
WHERE (toDate(hour), fold) IN arrayZip(folded.1, folded.2)
UNION ALL
SELECT CAST(toStartOfHour(minute), 'DateTime64(3, \'UTC\')') AS hour, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_minute_by_batch
WHERE toDate(minute) NOT IN folded.1;
