-- The oldest schema of a ledger, as its first release made it. Never change this file: it is what users have.
CREATE TABLE costguard_schema_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT costguard_schema_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO costguard_schema_version VALUES('0001');
CREATE TABLE ledger (
    run_id TEXT NOT NULL,
    started_at_us BIGINT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    parent_run_id TEXT,
    root_run_id TEXT,
    chain TEXT NOT NULL,
    provider TEXT,
    request_model TEXT,
    response_model TEXT,
    service_tier TEXT,
    batch BOOLEAN NOT NULL,
    uncached_input_tokens BIGINT,
    cache_read_tokens BIGINT,
    cache_write_5m_tokens BIGINT,
    cache_write_1h_tokens BIGINT,
    audio_input_tokens BIGINT,
    output_text_tokens BIGINT,
    reasoning_tokens BIGINT,
    audio_output_tokens BIGINT,
    usage_flags TEXT,
    estimate_method TEXT,
    billed_nano_usd BIGINT,
    list_nano_usd BIGINT,
    reported_nano_usd BIGINT,
    avoided_nano_usd BIGINT,
    baseline_model TEXT,
    baseline_nano_usd BIGINT,
    price TEXT,
    unpriced_reason TEXT,
    latency_us BIGINT,
    first_token_us BIGINT,
    tags TEXT,
    metadata TEXT,
    user_id TEXT,
    session_id TEXT,
    thread_id TEXT,
    techniques TEXT,
    error TEXT,
    input_bytes BIGINT,
    prompt_digest BLOB,
    prefix_digests BLOB,
    PRIMARY KEY (run_id)
);
CREATE TABLE meta (
    name TEXT NOT NULL,
    value BLOB,
    PRIMARY KEY (name)
);
CREATE INDEX ledger_started_at_us ON ledger (started_at_us, run_id);
CREATE INDEX ledger_root_run_id ON ledger (root_run_id);
