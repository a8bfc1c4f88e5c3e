-- Each insert writes a part of each of these tables, which the server merges with others. By
-- default it merges parts that are not much smaller than all of them together, at least five, so
-- that a row is written again four to five times in ten minutes of small inserts. With 16 it is one
-- to two times.
ALTER TABLE error_rows MODIFY SETTING merge_selector_base = 16;

ALTER TABLE traffic_sums MODIFY SETTING merge_selector_base = 16;

ALTER TABLE error_sums MODIFY SETTING merge_selector_base = 16;

ALTER TABLE code_sightings MODIFY SETTING merge_selector_base = 16;

-- Times of a day that are in no order differ in 27 of 64 bits. T64 leaves out the others, which
-- takes half the space of Delta and ZSTD, and a third of their time to read. New parts are written
-- so.
ALTER TABLE error_sums
    MODIFY COLUMN first_seen DateTime64(3, 'UTC') CODEC(T64, LZ4),
    MODIFY COLUMN last_seen DateTime64(3, 'UTC') CODEC(T64, LZ4);

ALTER TABLE error_minute_rows
    MODIFY COLUMN first_seen DateTime64(3, 'UTC') CODEC(T64, LZ4),
    MODIFY COLUMN last_seen DateTime64(3, 'UTC') CODEC(T64, LZ4);

ALTER TABLE error_hour_rows
    MODIFY COLUMN hour DateTime64(3, 'UTC') CODEC(LZ4),
    MODIFY COLUMN first_seen DateTime64(3, 'UTC') CODEC(T64, LZ4),
    MODIFY COLUMN last_seen DateTime64(3, 'UTC') CODEC(T64, LZ4);

ALTER TABLE traffic_hour_rows
    MODIFY COLUMN hour DateTime64(3, 'UTC') CODEC(LZ4);
