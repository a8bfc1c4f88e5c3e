-- A hash of the batch's first record, which tells a log from another of the same name.
ALTER TABLE batch_rows
    ADD COLUMN IF NOT EXISTS first_record UInt64 AFTER limited;

-- Offsets that were never read and never will be: Kafka had deleted them, or the group's offset was
-- moved past them.
CREATE TABLE IF NOT EXISTS gap_rows
(
    topic        LowCardinality(String),
    partition    Int32,
    first_offset Int64,
    last_offset  Int64,
    reason       LowCardinality(String),
    at           DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, first_offset, last_offset);

CREATE OR REPLACE VIEW gaps AS
SELECT topic, partition, first_offset, last_offset, reason, at
FROM gap_rows FINAL;

-- Who may write under a later epoch. An epoch belongs to one claim, or to several claims of one
-- fingerprint, whose rows are the same.
CREATE TABLE IF NOT EXISTS epoch_claims
(
    epoch       UInt32,
    fingerprint String,
    claim       UUID,
    shared      Bool, -- with other claims of the same fingerprint
    at          DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (epoch, claim);

-- Empty after every start of the server, so that a restart is noticed: it may have been a loss of
-- power.
CREATE TABLE IF NOT EXISTS boots (id UUID) ENGINE = Memory;

-- The views as before, but with one set of switches instead of two: a query during a switch sees
-- the rows before it or the rows after it, never a mixture.
CREATE OR REPLACE VIEW errors AS
SELECT ts, tenant, service, route, method, path, status, code, catalog_code, family, kind, known, message, template, args,
       module_code, description, remedy, retry, owner, request_id, latency_ms, dialect, confidence, body_state, catalog_version,
       topic, partition, offset, `index`, envelope
FROM error_rows FINAL
WHERE ((topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, arrayJoin([0, max(epoch)])
    FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0)
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW traffic_minute AS
SELECT minute, tenant, service, route, status, body_state, topic, requests, errors
FROM traffic_sums FINAL
WHERE ((topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, arrayJoin([0, max(epoch)])
    FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0)
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW error_minute AS
SELECT minute, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_sums FINAL
WHERE ((topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, arrayJoin([0, max(epoch)])
    FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0)
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW dead_letters AS
SELECT ts, reason, topic, partition, offset, `index`, sample
FROM dead_letter_rows FINAL
WHERE ((topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, arrayJoin([0, max(epoch)])
    FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0);

CREATE OR REPLACE VIEW batches AS
SELECT topic, partition, first_offset, last_offset, epoch, fingerprint, records, requests, errors, dead_letters, excluded, limited, first_record, min_ts, max_ts
FROM batch_rows FINAL
WHERE ((topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, arrayJoin([0, max(epoch)])
    FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0);

CREATE OR REPLACE VIEW audit_samples AS
SELECT ts, tenant, service, route, path, status, body_state, sample, topic, partition, offset, `index`
FROM audit_rows FINAL
WHERE ((topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, arrayJoin([0, max(epoch)])
    FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0);
