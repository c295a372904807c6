-- What the third release added to the second schema. Never change this file: it is what users have.
ALTER TABLE ledger ADD COLUMN calls BIGINT DEFAULT 1 NOT NULL;
ALTER TABLE ledger ADD COLUMN busy_ns BIGINT;
CREATE TABLE daily_totals (
    epoch_day BIGINT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    provider TEXT,
    request_model TEXT,
    response_model TEXT,
    service_tier TEXT,
    techniques TEXT,
    calls BIGINT NOT NULL,
    unpriced_calls BIGINT NOT NULL,
    estimated_calls BIGINT NOT NULL,
    cached_calls BIGINT NOT NULL,
    failed_calls BIGINT NOT NULL,
    open_calls BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_creation_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    billed_nano_usd BIGINT NOT NULL,
    list_nano_usd BIGINT NOT NULL,
    avoided_nano_usd BIGINT NOT NULL,
    baseline_nano_usd BIGINT NOT NULL,
    baseline_billed_nano_usd BIGINT NOT NULL,
    latency_us BIGINT NOT NULL,
    timed_calls BIGINT NOT NULL,
    busy_ns BIGINT NOT NULL
);
UPDATE costguard_schema_version SET version_num = '0003';
