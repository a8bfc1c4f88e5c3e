-- What transitions say beyond their reason: what makes the errors different from those before, and
-- some of the requests that met them.
ALTER TABLE alert_rows
    ADD COLUMN IF NOT EXISTS why         Array(String),
    ADD COLUMN IF NOT EXISTS request_ids Array(String);

-- What a firing alert is compared with, as its condition writes it.
ALTER TABLE alert_state_rows
    ADD COLUMN IF NOT EXISTS frozen String AFTER low_since;

CREATE OR REPLACE VIEW alerts AS
SELECT ts, rule, fingerprint, labels, `from`, `to`, reason, value, threshold, why, request_ids
FROM alert_rows FINAL;

CREATE OR REPLACE VIEW alert_states AS
SELECT rule, fingerprint, labels, state, since, low_since, frozen, notice, evaluated
FROM alert_state_rows FINAL;
