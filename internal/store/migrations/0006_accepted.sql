-- The whole batches that the server has accepted since its last start, and when, by its uptime,
-- which no one can set. The table is in the server's memory, so a batch that stands there was not
-- lost with the power. New rows replace the oldest ones.
CREATE TABLE IF NOT EXISTS accepted
(
    topic        LowCardinality(String),
    partition    Int32,
    first_offset Int64,
    last_offset  Int64,
    epoch        UInt32,
    fingerprint  LowCardinality(String),
    up           UInt32 DEFAULT uptime() -- seconds
)
ENGINE = Memory
SETTINGS min_rows_to_keep = 100000, max_rows_to_keep = 300000;

-- How many partitions a topic had when it was first read. Partitions that were added later are read
-- from their start, whatever kafka.start says.
CREATE TABLE IF NOT EXISTS topics_read
(
    topic      String,
    partitions UInt32,
    at         DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY topic;
