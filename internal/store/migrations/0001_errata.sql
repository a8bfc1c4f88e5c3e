-- Stored tables end in _rows or _sums. The names without these endings are views, exact for any
-- reader.
--
-- Every table replaces a row that is written again: its sorting key says which record, or which
-- batch and group, the row came from, and holds nothing that the catalogs say. A batch that is read
-- again by another parser writes its rows under a later epoch. The views count that epoch as soon
-- as epoch_switches names it.

CREATE TABLE IF NOT EXISTS error_rows
(
    ts              DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    tenant          LowCardinality(String),
    service         LowCardinality(String),
    route           LowCardinality(String),
    method          LowCardinality(String),
    path            String CODEC(ZSTD),
    status          UInt16,
    code            LowCardinality(String),
    catalog_code    LowCardinality(String),
    family          LowCardinality(String),
    kind            LowCardinality(String),
    known           Bool,
    message         String CODEC(ZSTD),
    template        LowCardinality(String),
    args            Map(LowCardinality(String), String) CODEC(ZSTD),
    module_code     LowCardinality(String),
    description     LowCardinality(String),
    remedy          LowCardinality(String),
    retry           LowCardinality(String),
    owner           LowCardinality(String),
    request_id      String CODEC(ZSTD),
    latency_ms      Nullable(Float64),
    dialect         LowCardinality(String),
    confidence      LowCardinality(String),
    body_state      LowCardinality(String),
    catalog_version LowCardinality(String),
    topic           LowCardinality(String),
    partition       Int32,
    offset          Int64 CODEC(Delta, ZSTD),
    `index`         UInt32,
    envelope        UInt32,
    first_offset    Int64 CODEC(Delta, ZSTD),
    epoch           UInt32
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(ts)
ORDER BY (tenant, code, ts, topic, partition, offset, `index`, envelope, epoch)
TTL toDateTime(ts) + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS traffic_sums
(
    minute       DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    tenant       LowCardinality(String),
    service      LowCardinality(String),
    route        LowCardinality(String),
    status       UInt16,
    body_state   LowCardinality(String),
    topic        LowCardinality(String),
    partition    Int32,
    first_offset Int64 CODEC(Delta, ZSTD),
    epoch        UInt32,
    requests     UInt64,
    errors       UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(minute)
ORDER BY (minute, tenant, service, route, status, body_state, topic, partition, first_offset, epoch)
TTL toDateTime(minute) + INTERVAL 800 DAY
SETTINGS ttl_only_drop_parts = 1;

-- dialect is in the key because a bare number may belong to different families in different
-- dialects. So the family follows from the key, and a later catalog replaces the row instead of
-- adding one.
CREATE TABLE IF NOT EXISTS error_sums
(
    minute       DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    tenant       LowCardinality(String),
    service      LowCardinality(String),
    route        LowCardinality(String),
    code         LowCardinality(String),
    dialect      LowCardinality(String),
    topic        LowCardinality(String),
    partition    Int32,
    first_offset Int64 CODEC(Delta, ZSTD),
    epoch        UInt32,
    family       LowCardinality(String),
    kind         LowCardinality(String),
    errors       UInt64,
    first_seen   DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    last_seen    DateTime64(3, 'UTC') CODEC(Delta, ZSTD)
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(minute)
ORDER BY (minute, tenant, code, service, route, dialect, topic, partition, first_offset, epoch)
TTL toDateTime(minute) + INTERVAL 800 DAY
SETTINGS ttl_only_drop_parts = 1;

-- Writing the least and the greatest time again changes neither, so no other key is needed. What
-- only an earlier parser saw stays.
CREATE TABLE IF NOT EXISTS code_sightings
(
    tenant     LowCardinality(String),
    code       LowCardinality(String),
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen  SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, code);

CREATE TABLE IF NOT EXISTS dead_letter_rows
(
    ts           DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    reason       LowCardinality(String),
    topic        LowCardinality(String),
    partition    Int32,
    offset       Int64 CODEC(Delta, ZSTD),
    `index`      UInt32,
    sample       String CODEC(ZSTD),
    first_offset Int64 CODEC(Delta, ZSTD),
    epoch        UInt32
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (topic, partition, offset, `index`, epoch)
TTL toDateTime(ts) + INTERVAL 400 DAY DELETE WHERE ts > '2000-01-01 00:00:00';

-- The last row of a batch, written when all its other rows are in.
CREATE TABLE IF NOT EXISTS batch_rows
(
    topic        LowCardinality(String),
    partition    Int32,
    first_offset Int64,
    last_offset  Int64,
    epoch        UInt32,
    fingerprint  String, -- of the parser and the mapping
    records      UInt64,
    requests     UInt64,
    errors       UInt64,
    dead_letters UInt64,
    min_ts       DateTime64(3, 'UTC'),
    max_ts       DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, first_offset, epoch);

-- Batches that were read again by another parser, and the epoch whose rows count. The table stays
-- small.
CREATE TABLE IF NOT EXISTS epoch_switches
(
    topic        LowCardinality(String),
    partition    Int32,
    first_offset Int64,
    epoch        UInt32
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, first_offset, epoch);

CREATE TABLE IF NOT EXISTS watermark_rows
(
    topic     LowCardinality(String),
    partition Int32,
    watermark DateTime64(3, 'UTC'),
    at        DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (topic, partition);

CREATE TABLE IF NOT EXISTS alert_rows
(
    ts          DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    rule        LowCardinality(String),
    fingerprint String,
    labels      Map(LowCardinality(String), String),
    `from`      LowCardinality(String),
    `to`        LowCardinality(String),
    reason      String,
    value       Float64,
    threshold   Float64
)
ENGINE = ReplacingMergeTree
ORDER BY (rule, fingerprint, ts, `to`)
TTL toDateTime(ts) + INTERVAL 800 DAY;

-- Whose data this is: that of one Kafka cluster and one consumer group. The first claim counts.
CREATE TABLE IF NOT EXISTS claims
(
    claimed_at DateTime64(3, 'UTC'),
    cluster    String,
    `group`    String
)
ENGINE = MergeTree
ORDER BY (claimed_at, cluster, `group`);

CREATE OR REPLACE VIEW errors AS
SELECT ts, tenant, service, route, method, path, status, code, catalog_code, family, kind, known, message, template, args,
       module_code, description, remedy, retry, owner, request_id, latency_ms, dialect, confidence, body_state, catalog_version,
       topic, partition, offset, `index`, envelope
FROM error_rows FINAL
WHERE if(epoch = 0,
         (topic, partition, first_offset) NOT IN (SELECT topic, partition, first_offset FROM epoch_switches),
         (topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, max(epoch) FROM epoch_switches GROUP BY topic, partition, first_offset))
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW traffic_minute AS
SELECT minute, tenant, service, route, status, body_state, topic, requests, errors
FROM traffic_sums FINAL
WHERE if(epoch = 0,
         (topic, partition, first_offset) NOT IN (SELECT topic, partition, first_offset FROM epoch_switches),
         (topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, max(epoch) FROM epoch_switches GROUP BY topic, partition, first_offset))
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW error_minute AS
SELECT minute, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_sums FINAL
WHERE if(epoch = 0,
         (topic, partition, first_offset) NOT IN (SELECT topic, partition, first_offset FROM epoch_switches),
         (topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, max(epoch) FROM epoch_switches GROUP BY topic, partition, first_offset))
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW dead_letters AS
SELECT ts, reason, topic, partition, offset, `index`, sample
FROM dead_letter_rows FINAL
WHERE if(epoch = 0,
         (topic, partition, first_offset) NOT IN (SELECT topic, partition, first_offset FROM epoch_switches),
         (topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, max(epoch) FROM epoch_switches GROUP BY topic, partition, first_offset));

CREATE OR REPLACE VIEW codes_seen AS
SELECT tenant, code, CAST(min(first_seen) AS DateTime64(3, 'UTC')) AS first_seen, CAST(max(last_seen) AS DateTime64(3, 'UTC')) AS last_seen
FROM code_sightings
GROUP BY tenant, code;

CREATE OR REPLACE VIEW batches AS
SELECT topic, partition, first_offset, last_offset, epoch, fingerprint, records, requests, errors, dead_letters, min_ts, max_ts
FROM batch_rows FINAL
WHERE if(epoch = 0,
         (topic, partition, first_offset) NOT IN (SELECT topic, partition, first_offset FROM epoch_switches),
         (topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, max(epoch) FROM epoch_switches GROUP BY topic, partition, first_offset));

-- A partition that is no longer read has a watermark in 2200 in the table, and none here.
CREATE OR REPLACE VIEW watermarks AS
SELECT topic, partition, watermark, at
FROM watermark_rows FINAL
WHERE watermark < '2200-01-01 00:00:00';

CREATE OR REPLACE VIEW alerts AS
SELECT ts, rule, fingerprint, labels, `from`, `to`, reason, value, threshold
FROM alert_rows FINAL;
