-- What the second release added to the oldest schema. Never change this file: it is what users have.
ALTER TABLE ledger ADD COLUMN owner_host TEXT;
ALTER TABLE ledger ADD COLUMN owner_pid BIGINT;
ALTER TABLE ledger ADD COLUMN owner_started TEXT;
CREATE INDEX ledger_open ON ledger (started_at_us) WHERE status = 'open';
UPDATE costguard_schema_version SET version_num = '0002';
