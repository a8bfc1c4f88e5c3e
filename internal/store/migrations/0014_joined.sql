-- How many log records of a batch were the second one of a request.
ALTER TABLE batch_rows
    ADD COLUMN IF NOT EXISTS joined UInt64 AFTER limited;

CREATE OR REPLACE VIEW batches AS
SELECT topic, partition, first_offset, last_offset, epoch, fingerprint, records, requests, errors, dead_letters, excluded, limited, joined, first_record, min_ts, max_ts
FROM batch_rows FINAL
WHERE ((topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, arrayJoin([0, max(epoch)])
    FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0);
