-- What the fourth release added to the third schema. Never change this file: it is what users have.
CREATE TABLE counters (
    counter TEXT NOT NULL,
    slot_us BIGINT NOT NULL,
    budget TEXT NOT NULL,
    unit TEXT NOT NULL,
    spent BIGINT NOT NULL,
    reserved BIGINT NOT NULL,
    unsettled BIGINT NOT NULL,
    overrun BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    frozen TEXT,
    crossed TEXT NOT NULL,
    PRIMARY KEY (counter, slot_us)
) WITHOUT ROWID;
CREATE TABLE reservations (
    id TEXT NOT NULL,
    counter TEXT NOT NULL,
    slot_us BIGINT NOT NULL,
    since_us BIGINT NOT NULL,
    budget TEXT NOT NULL,
    unit TEXT NOT NULL,
    amount BIGINT NOT NULL,
    limit_amount BIGINT NOT NULL,
    refuses BOOLEAN NOT NULL,
    charges_lost BOOLEAN NOT NULL,
    alerts TEXT NOT NULL,
    state TEXT NOT NULL,
    lease_until_us BIGINT NOT NULL,
    owner_host TEXT,
    owner_pid BIGINT,
    owner_started TEXT,
    PRIMARY KEY (id, counter, slot_us)
) WITHOUT ROWID;
CREATE TABLE budget_settings (
    budget TEXT NOT NULL,
    limit_amount BIGINT,
    frozen TEXT,
    PRIMARY KEY (budget)
);
CREATE TABLE budget_changes (
    number INTEGER NOT NULL,
    budget TEXT NOT NULL,
    action TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    changed_by TEXT NOT NULL,
    limit_amount BIGINT,
    note TEXT NOT NULL,
    PRIMARY KEY (number)
);
CREATE TABLE outbox (
    reservation_id TEXT NOT NULL,
    location TEXT NOT NULL,
    settlement TEXT NOT NULL,
    written_at_us BIGINT NOT NULL,
    owner_host TEXT,
    owner_pid BIGINT,
    owner_started TEXT,
    PRIMARY KEY (reservation_id)
);
UPDATE costguard_schema_version SET version_num = '0004';
