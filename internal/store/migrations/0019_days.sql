-- A rollup writes days too, one row for each day and group, which reports of weeks and months read.
CREATE TABLE IF NOT EXISTS traffic_day_rows
(
    day        Date,
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
PARTITION BY (day, fold)
ORDER BY (tenant, service, route, status, body_state, topic)
TTL day + INTERVAL 10 YEAR
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS error_day_rows
(
    day        Date,
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
    first_seen DateTime64(3, 'UTC') CODEC(T64, LZ4),
    last_seen  DateTime64(3, 'UTC') CODEC(T64, LZ4)
)
ENGINE = MergeTree
PARTITION BY (day, fold)
ORDER BY (tenant, code, service, route, dialect, family, kind, topic)
TTL day + INTERVAL 10 YEAR
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1;

-- A rollup of an earlier version has no days. It is made again, unless its day is sealed: the days
-- of such a rollup are read from its hours.
ALTER TABLE fold_rows ADD COLUMN IF NOT EXISTS days UInt8;

ALTER TABLE seal_rows ADD COLUMN IF NOT EXISTS days UInt8;

-- partition is the id of the partitions that hold a rollup's rows. A view that compares it for each
-- row takes a tenth of the time of one that compares the day and the number of the rollup.
CREATE OR REPLACE VIEW folded_days AS
SELECT day, last.1 AS fold, concat(toString(toYYYYMMDD(day)), '-', toString(fold)) AS partition, last.3 AS minutes, last.4 AS days, last.5 AS sealed
FROM
(
    SELECT day, groupBitXor(change) AS changed, argMax((fold, mark, minutes, days, sealed), (sealed, at)) AS last
    FROM
    (
        SELECT day, c.mark AS change, toUInt64(0) AS fold, toUInt64(0) AS mark, toUInt8(0) AS minutes, toUInt8(0) AS days, 0 AS sealed, toDateTime64(0, 3, 'UTC') AS at FROM day_change_rows AS c
        UNION ALL
        SELECT day, 0, fold, mark, minutes, days, 0, at FROM fold_rows
        UNION ALL
        SELECT day, 0, fold, 0, 1, days, 1, at FROM seal_rows WHERE state = 3
    )
    GROUP BY day
)
WHERE fold != 0 AND (sealed OR last.2 = changed OR day <= today() - 798);

CREATE OR REPLACE VIEW traffic_minute AS
WITH (SELECT (groupArray(partition), groupArray(day), groupArrayIf(day, sealed)) FROM folded_days WHERE minutes) AS folded
SELECT minute, tenant, service, route, status, body_state, topic, requests, errors, errors AS error_requests
FROM traffic_minute_rows
WHERE _partition_id IN folded.1
UNION ALL
SELECT minute, tenant, service, route, status, body_state, topic, requests, errors, error_requests
FROM traffic_minute_by_batch
WHERE toDate(minute) NOT IN folded.2 OR toDate(minute) IN folded.3 AND late;

CREATE OR REPLACE VIEW error_minute AS
WITH (SELECT (groupArray(partition), groupArray(day), groupArrayIf(day, sealed)) FROM folded_days WHERE minutes) AS folded
SELECT minute, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_minute_rows
WHERE _partition_id IN folded.1
UNION ALL
SELECT minute, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_minute_by_batch
WHERE toDate(minute) NOT IN folded.2 OR toDate(minute) IN folded.3 AND late;

CREATE OR REPLACE VIEW traffic_hour AS
WITH (SELECT (groupArray(partition), groupArray(day), groupArrayIf(day, sealed)) FROM folded_days) AS folded
SELECT hour, tenant, service, route, status, body_state, topic, requests, errors, errors AS error_requests
FROM traffic_hour_rows
WHERE _partition_id IN folded.1
UNION ALL
SELECT CAST(toStartOfHour(minute), 'DateTime64(3, \'UTC\')') AS hour, tenant, service, route, status, body_state, topic, requests, errors, error_requests
FROM traffic_minute_by_batch
WHERE toDate(minute) NOT IN folded.2 OR toDate(minute) IN folded.3 AND late;

CREATE OR REPLACE VIEW error_hour AS
WITH (SELECT (groupArray(partition), groupArray(day), groupArrayIf(day, sealed)) FROM folded_days) AS folded
SELECT hour, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_hour_rows
WHERE _partition_id IN folded.1
UNION ALL
SELECT CAST(toStartOfHour(minute), 'DateTime64(3, \'UTC\')') AS hour, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_minute_by_batch
WHERE toDate(minute) NOT IN folded.2 OR toDate(minute) IN folded.3 AND late;

CREATE OR REPLACE VIEW traffic_day AS
WITH (SELECT (groupArrayIf(partition, days), groupArray(day), groupArrayIf(day, sealed), groupArrayIf(partition, NOT days)) FROM folded_days) AS folded
SELECT day, tenant, service, route, status, body_state, topic, requests, errors, errors AS error_requests
FROM traffic_day_rows
WHERE _partition_id IN folded.1
UNION ALL
SELECT toDate(hour) AS day, tenant, service, route, status, body_state, topic, requests, errors, errors AS error_requests
FROM traffic_hour_rows
WHERE _partition_id IN folded.4
UNION ALL
SELECT toDate(minute) AS day, tenant, service, route, status, body_state, topic, requests, errors, error_requests
FROM traffic_minute_by_batch
WHERE toDate(minute) NOT IN folded.2 OR toDate(minute) IN folded.3 AND late;

CREATE OR REPLACE VIEW error_day AS
WITH (SELECT (groupArrayIf(partition, days), groupArray(day), groupArrayIf(day, sealed), groupArrayIf(partition, NOT days)) FROM folded_days) AS folded
SELECT day, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_day_rows
WHERE _partition_id IN folded.1
UNION ALL
SELECT toDate(hour) AS day, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_hour_rows
WHERE _partition_id IN folded.4
UNION ALL
SELECT toDate(minute) AS day, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_minute_by_batch
WHERE toDate(minute) NOT IN folded.2 OR toDate(minute) IN folded.3 AND late;
