-- Seals of days: seal.go explains them. A row is a state of a seal: 1 announced, 2 given up, 3
-- made, 4 the batches' sums of the day are deleted.
CREATE TABLE IF NOT EXISTS seal_rows
(
    day   Date,
    id    UInt64,
    state UInt8,
    fold  UInt64, -- the rollup that counts from then on; a re-enrichment makes another one count
    at    DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (day, id, state)
TTL day + INTERVAL 10 YEAR
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW sealed_days AS
SELECT day, argMaxIf(s.fold, s.at, state = 3) AS fold, maxIf(s.at, state = 3) AS at, max(state) = 4 AS emptied
FROM seal_rows AS s
WHERE state >= 3
GROUP BY day;

-- Sums that were written after their day was sealed.
ALTER TABLE traffic_sums ADD COLUMN IF NOT EXISTS late Bool;
ALTER TABLE error_sums ADD COLUMN IF NOT EXISTS late Bool;

-- Readers of short windows ask for this too, so it reads each table once, without FINAL and joins.
CREATE OR REPLACE VIEW folded_days AS
SELECT day, last.1 AS fold, last.3 AS minutes, last.4 AS sealed
FROM
(
    SELECT day, groupBitXor(change) AS changed, argMax((fold, mark, minutes, sealed), (sealed, at)) AS last
    FROM
    (
        SELECT day, c.mark AS change, toUInt64(0) AS fold, toUInt64(0) AS mark, toUInt8(0) AS minutes, 0 AS sealed, toDateTime64(0, 3, 'UTC') AS at FROM day_change_rows AS c
        UNION ALL
        SELECT day, 0, fold, mark, minutes, 0, at FROM fold_rows
        UNION ALL
        SELECT day, 0, fold, 0, 1, 1, at FROM seal_rows WHERE state = 3
    )
    GROUP BY day
)
WHERE fold != 0 AND (sealed OR last.2 = changed OR day <= today() - 798);

CREATE OR REPLACE VIEW traffic_minute_by_batch AS
SELECT minute, tenant, service, route, status, body_state, topic, requests, errors, errors AS error_requests, late
FROM traffic_sums FINAL
WHERE if((SELECT count() FROM epoch_switches) = 0, epoch = 0,
    ((sipHash128(topic), partition, first_offset, epoch) IN (SELECT sipHash128(topic), partition, first_offset, arrayJoin([0, max(epoch)])
        FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0))
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW error_minute_by_batch AS
SELECT minute, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen, late
FROM error_sums FINAL
WHERE if((SELECT count() FROM epoch_switches) = 0, epoch = 0,
    ((sipHash128(topic), partition, first_offset, epoch) IN (SELECT sipHash128(topic), partition, first_offset, arrayJoin([0, max(epoch)])
        FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0))
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- The partitions of days that are rolled up and not sealed are not read.
CREATE OR REPLACE VIEW traffic_minute AS
WITH (SELECT (groupArray(day), groupArray(fold), groupArrayIf(day, sealed)) FROM folded_days WHERE minutes) AS folded
SELECT minute, tenant, service, route, status, body_state, topic, requests, errors, errors AS error_requests
FROM traffic_minute_rows
WHERE (toDate(minute), fold) IN arrayZip(folded.1, folded.2)
UNION ALL
SELECT minute, tenant, service, route, status, body_state, topic, requests, errors, error_requests
FROM traffic_minute_by_batch
WHERE toDate(minute) NOT IN folded.1 OR toDate(minute) IN folded.3 AND late;

CREATE OR REPLACE VIEW error_minute AS
WITH (SELECT (groupArray(day), groupArray(fold), groupArrayIf(day, sealed)) FROM folded_days WHERE minutes) AS folded
SELECT minute, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_minute_rows
WHERE (toDate(minute), fold) IN arrayZip(folded.1, folded.2)
UNION ALL
SELECT minute, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_minute_by_batch
WHERE toDate(minute) NOT IN folded.1 OR toDate(minute) IN folded.3 AND late;

CREATE OR REPLACE VIEW traffic_hour AS
WITH (SELECT (groupArray(day), groupArray(fold), groupArrayIf(day, sealed)) FROM folded_days) AS folded
SELECT hour, tenant, service, route, status, body_state, topic, requests, errors, errors AS error_requests
FROM traffic_hour_rows
WHERE (toDate(hour), fold) IN arrayZip(folded.1, folded.2)
UNION ALL
SELECT CAST(toStartOfHour(minute), 'DateTime64(3, \'UTC\')') AS hour, tenant, service, route, status, body_state, topic, requests, errors, error_requests
FROM traffic_minute_by_batch
WHERE toDate(minute) NOT IN folded.1 OR toDate(minute) IN folded.3 AND late;

CREATE OR REPLACE VIEW error_hour AS
WITH (SELECT (groupArray(day), groupArray(fold), groupArrayIf(day, sealed)) FROM folded_days) AS folded
SELECT hour, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_hour_rows
WHERE (toDate(hour), fold) IN arrayZip(folded.1, folded.2)
UNION ALL
SELECT CAST(toStartOfHour(minute), 'DateTime64(3, \'UTC\')') AS hour, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_minute_by_batch
WHERE toDate(minute) NOT IN folded.1 OR toDate(minute) IN folded.3 AND late;
