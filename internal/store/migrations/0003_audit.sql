-- The requests that the configuration leaves out, and those whose tenant or route is beyond the
-- limits, are counted too.
ALTER TABLE batch_rows
    ADD COLUMN IF NOT EXISTS excluded UInt64 AFTER dead_letters,
    ADD COLUMN IF NOT EXISTS limited UInt64 AFTER excluded;

CREATE OR REPLACE VIEW batches AS
SELECT topic, partition, first_offset, last_offset, epoch, fingerprint, records, requests, errors, dead_letters, excluded, limited, min_ts, max_ts
FROM batch_rows FINAL
WHERE if(epoch = 0,
         (topic, partition, first_offset) NOT IN (SELECT topic, partition, first_offset FROM epoch_switches),
         (topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, max(epoch) FROM epoch_switches GROUP BY topic, partition, first_offset));

-- A small share of the bodies that mention an error word and in which no error was found, for a
-- person to judge.
CREATE TABLE IF NOT EXISTS audit_rows
(
    ts           DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    tenant       LowCardinality(String),
    service      LowCardinality(String),
    route        LowCardinality(String),
    path         String CODEC(ZSTD),
    status       UInt16,
    body_state   LowCardinality(String),
    sample       String CODEC(ZSTD),
    topic        LowCardinality(String),
    partition    Int32,
    offset       Int64 CODEC(Delta, ZSTD),
    `index`      UInt32,
    first_offset Int64 CODEC(Delta, ZSTD),
    epoch        UInt32
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (topic, partition, offset, `index`, epoch)
TTL toDateTime(ts) + INTERVAL 30 DAY;

CREATE OR REPLACE VIEW audit_samples AS
SELECT ts, tenant, service, route, path, status, body_state, sample, topic, partition, offset, `index`
FROM audit_rows FINAL
WHERE if(epoch = 0,
         (topic, partition, first_offset) NOT IN (SELECT topic, partition, first_offset FROM epoch_switches),
         (topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, max(epoch) FROM epoch_switches GROUP BY topic, partition, first_offset));
