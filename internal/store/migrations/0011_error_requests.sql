-- `errors` of the views of requests counts requests with at least one error, and that of the views
-- of errors counts envelopes. The first has a second name, which says so. The views are the same
-- otherwise.
CREATE OR REPLACE VIEW traffic_minute AS
SELECT minute, tenant, service, route, status, body_state, topic, requests, errors, errors AS error_requests
FROM traffic_sums FINAL
WHERE ((topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, arrayJoin([0, max(epoch)])
    FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0)
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW traffic_hour AS
WITH (SELECT (groupArray(day), groupArray(fold)) FROM folded_days) AS folded
SELECT hour, tenant, service, route, status, body_state, topic, requests, errors, errors AS error_requests
FROM traffic_hour_rows
WHERE (toDate(hour), fold) IN arrayZip(folded.1, folded.2)
UNION ALL
SELECT CAST(toStartOfHour(minute), 'DateTime64(3, \'UTC\')') AS hour, tenant, service, route, status, body_state, topic, requests, errors, error_requests
FROM traffic_minute
WHERE toDate(minute) NOT IN folded.1;
