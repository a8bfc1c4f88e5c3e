-- Closed days, rolled up into hours for readers of long windows. rollup.go explains how, and why
-- counts stay exact if a step is repeated or missing. In the names below, a fold is a rollup and a
-- hold is a lock.

-- A day's mark: each change of what the minutes of the day say adds a new random number afterwards.
-- Once merged, the table has one row for each day.
CREATE TABLE IF NOT EXISTS day_change_rows
(
    day  Date,
    mark SimpleAggregateFunction(groupBitXor, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY day;

-- Locks, for changes of days that cannot happen in one step with their marks: no rollup is
-- published while a change has begun and not ended.
CREATE TABLE IF NOT EXISTS fold_hold_rows
(
    hold  UInt64,
    began DateTime64(3, 'UTC'),
    ended UInt8
)
ENGINE = ReplacingMergeTree(ended)
ORDER BY hold
TTL toDateTime(began) + INTERVAL 2 DAY;

-- The batches whose rows the hours of a day may include.
CREATE TABLE IF NOT EXISTS fold_batch_rows
(
    topic        LowCardinality(String),
    partition    Int32,
    first_offset Int64 CODEC(Delta, ZSTD),
    epoch        UInt32,
    day          Date
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (topic, partition, first_offset, epoch, day)
TTL day + INTERVAL 801 DAY
SETTINGS ttl_only_drop_parts = 1;

-- Each rollup has partitions of its own, so it can be dropped as a whole. Rows that are
-- acknowledged must survive a loss of power, because no process repeats them: hence the settings.
CREATE TABLE IF NOT EXISTS traffic_hour_rows
(
    hour       DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
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
PARTITION BY (toDate(hour), fold)
ORDER BY (tenant, hour, service, route, status, body_state, topic)
TTL toDateTime(hour) + INTERVAL 10 YEAR
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS error_hour_rows
(
    hour       DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
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
PARTITION BY (toDate(hour), fold)
ORDER BY (tenant, code, hour, service, route, dialect, family, kind, topic)
TTL toDateTime(hour) + INTERVAL 10 YEAR
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1;

-- The rollup whose hours count for a day, as long as the day has the mark that it had then.
CREATE TABLE IF NOT EXISTS fold_rows
(
    day  Date,
    fold UInt64, -- when it began, in seconds, and 32 random bits
    mark UInt64,
    at   DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY day
TTL day + INTERVAL 10 YEAR;

-- The days whose hours count. The last condition is for days whose minutes expire: their rollup
-- stays.
CREATE OR REPLACE VIEW folded_days AS
SELECT f.day AS day, f.fold AS fold
FROM (SELECT day, fold, mark FROM fold_rows FINAL) AS f
LEFT JOIN (SELECT day, groupBitXor(mark) AS mark FROM day_change_rows GROUP BY day) AS c ON f.day = c.day
WHERE f.mark = c.mark OR f.day <= today() - 798;

-- Exact for any reader: the hours of days that are rolled up, and the minutes of all other days
-- under their hour. As with the minutes, readers sum over what they do not group by. A query reads
-- the list of days once, as a constant. So a day is always in exactly one of the halves, and each
-- half skips the partitions that it does not need.
CREATE OR REPLACE VIEW traffic_hour AS
WITH (SELECT (groupArray(day), groupArray(fold)) FROM folded_days) AS folded
SELECT hour, tenant, service, route, status, body_state, topic, requests, errors
FROM traffic_hour_rows
WHERE (toDate(hour), fold) IN arrayZip(folded.1, folded.2)
UNION ALL
SELECT CAST(toStartOfHour(minute), 'DateTime64(3, \'UTC\')') AS hour, tenant, service, route, status, body_state, topic, requests, errors
FROM traffic_minute
WHERE toDate(minute) NOT IN folded.1;

CREATE OR REPLACE VIEW error_hour AS
WITH (SELECT (groupArray(day), groupArray(fold)) FROM folded_days) AS folded
SELECT hour, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_hour_rows
WHERE (toDate(hour), fold) IN arrayZip(folded.1, folded.2)
UNION ALL
SELECT CAST(toStartOfHour(minute), 'DateTime64(3, \'UTC\')') AS hour, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_minute
WHERE toDate(minute) NOT IN folded.1;
