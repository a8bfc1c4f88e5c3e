-- The views that read many rows pick those that count at a third to a sixth of the cost. A hash of
-- 128 bits stands for the topic, because a set of numbers is quicker than one with texts. Where no
-- batch was ever switched, nothing is looked up. The first condition is a constant of the query, so
-- it still sees one state of the switches.
CREATE OR REPLACE VIEW errors AS
SELECT ts, tenant, service, route, method, path, status, code, catalog_code, family, kind, known, message, template, args,
       module_code, description, remedy, retry, owner, request_id, latency_ms, dialect, confidence, body_state, catalog_version,
       topic, partition, offset, `index`, envelope
FROM error_rows FINAL
WHERE if((SELECT count() FROM epoch_switches) = 0, epoch = 0,
    ((sipHash128(topic), partition, first_offset, epoch) IN (SELECT sipHash128(topic), partition, first_offset, arrayJoin([0, max(epoch)])
        FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0))
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW traffic_minute AS
SELECT minute, tenant, service, route, status, body_state, topic, requests, errors, errors AS error_requests
FROM traffic_sums FINAL
WHERE if((SELECT count() FROM epoch_switches) = 0, epoch = 0,
    ((sipHash128(topic), partition, first_offset, epoch) IN (SELECT sipHash128(topic), partition, first_offset, arrayJoin([0, max(epoch)])
        FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0))
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW error_minute AS
SELECT minute, tenant, service, route, family, kind, code, dialect, topic, errors, first_seen, last_seen
FROM error_sums FINAL
WHERE if((SELECT count() FROM epoch_switches) = 0, epoch = 0,
    ((sipHash128(topic), partition, first_offset, epoch) IN (SELECT sipHash128(topic), partition, first_offset, arrayJoin([0, max(epoch)])
        FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0))
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- A day whose parts are all half a day old is merged into one part, which FINAL reads as it is.
-- Rows of several parts are merged in each query.
ALTER TABLE error_rows MODIFY SETTING min_age_to_force_merge_seconds = 43200, min_age_to_force_merge_on_partition_only = 1;
