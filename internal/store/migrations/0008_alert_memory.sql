-- What the evaluator remembers of a rule or an alert, as JSON: the file and definition of a rule,
-- the level of an alert, what waits to be told.
ALTER TABLE alert_state_rows
    ADD COLUMN IF NOT EXISTS memory String AFTER frozen;

CREATE OR REPLACE VIEW alert_states AS
SELECT rule, fingerprint, labels, state, since, low_since, frozen, memory, notice, evaluated
FROM alert_state_rows FINAL;
