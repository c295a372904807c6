"""Hand-written excerpts of the exports of other systems, after the formats' documentation.

Langfuse: the field reference of blob storage exports
(langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields). LangSmith: the run data format
(docs.langchain.com/langsmith/run-data-format). OpenAI: the usage API (platform.openai.com/docs/api-reference/usage) and
the dashboard's CSV. Anthropic: the usage report (platform.claude.com/docs/en/api/admin/usage_report/retrieve_messages)
and the console's CSV. LiteLLM: `LiteLLM_SpendLogs` (schema.prisma of github.com/BerriAI/litellm).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from langchain_costguard.imports import ImportResult, import_from
from langchain_costguard.pricing import PriceBook, per_token
from langchain_costguard.stores import InMemoryStore

if TYPE_CHECKING:
    from langchain_costguard.imports import ImportSource
    from langchain_costguard.ledger import LedgerEntry

PRICES = PriceBook(
    {
        "mini": per_token(
            "1",
            "10",
            cache_read_usd_per_mtok="0.1",
            cache_write_usd_per_mtok="1.25",
            cache_write_1h_usd_per_mtok="2",
        ),
    }
)

LANGFUSE: dict[str, Any] = {
    "id": "obs-1",
    "trace_id": "trace-1",
    "type": "GENERATION",
    "parent_observation_id": "",
    "start_time": "2026-10-05 13:46:19.963000",
    "end_time": "2026-10-05 13:46:21.963000",
    "completion_start_time": "2026-10-05 13:46:20.463000",
    "name": "answer",
    "metadata": {"ls_provider": "openai", "feature": "search"},
    "level": "DEFAULT",
    "input": '[{"role": "user", "content": "Hello"}]',
    "provided_model_name": "mini",
    "usage_details": {"input": 600, "input_cached_tokens": 400, "output": 100, "total": 1100},
    "total_cost": 0.5,
    "user_id": "u1",
    "session_id": "s1",
    "tags": ["checkout"],
    "trace_name": "support",
}
LANGSMITH: dict[str, Any] = {
    "id": "0190c0de-0000-7000-8000-000000000001",
    "trace_id": "0190c0de-0000-7000-8000-000000000000",
    "parent_run_id": "0190c0de-0000-7000-8000-000000000000",
    "name": "ChatOpenAI",
    "run_type": "llm",
    "start_time": "2026-10-05T13:46:19.963000",
    "end_time": "2026-10-05T13:46:21.963000",
    "status": "success",
    "extra": {"metadata": {"ls_provider": "openai", "ls_model_name": "mini", "user_id": "u1", "session_id": "s1"}},
    "inputs": {"messages": [[{"id": ["HumanMessage"], "kwargs": {"content": "Hello"}}]]},
    "tags": ["checkout"],
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "total_tokens": 1100,
    "prompt_token_details": {"cache_read": 400},
    "total_cost": "0.5",
}
OPENAI: dict[str, Any] = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": 1759622400,
            "end_time": 1759708800,
            "results": [
                {
                    "object": "organization.usage.completions.result",
                    "input_tokens": 1000,
                    "output_tokens": 100,
                    "input_cached_tokens": 400,
                    "num_model_requests": 5,
                    "project_id": "proj_1",
                    "user_id": "u1",
                    "api_key_id": None,
                    "model": "mini",
                    "batch": False,
                    "service_tier": "default",
                }
            ],
        },
        {"object": "bucket", "start_time": 1759708800, "end_time": 1759795200, "results": []},
    ],
    "has_more": False,
    "next_page": None,
}
ANTHROPIC: dict[str, Any] = {
    "data": [
        {
            "starting_at": "2025-10-05T00:00:00Z",
            "ending_at": "2025-10-06T00:00:00Z",
            "results": [
                {
                    "uncached_input_tokens": 1500,
                    "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
                    "cache_read_input_tokens": 200,
                    "output_tokens": 500,
                    "server_tool_use": {"web_search_requests": 0},
                    "api_key_id": "apikey_1",
                    "workspace_id": None,
                    "model": "mini",
                    "service_tier": "standard",
                    "context_window": "0-200k",
                }
            ],
        }
    ],
    "has_more": False,
}
LITELLM: dict[str, Any] = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "spend": 0.5,
    "total_tokens": 1100,
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "startTime": "2026-10-05T13:46:19.963Z",
    "endTime": "2026-10-05T13:46:21.963Z",
    "completionStartTime": "2026-10-05T13:46:20.463Z",
    "model": "mini",
    "custom_llm_provider": "openai",
    "metadata": {"usage_object": {"prompt_tokens_details": {"cached_tokens": 400}}},
    "cache_hit": "False",
    "request_tags": ["checkout"],
    "end_user": "u1",
    "session_id": "s1",
    "messages": {},
    "status": "success",
}
EXPORTS: dict[ImportSource, dict[str, Any]] = {
    "langfuse": LANGFUSE,
    "langsmith": LANGSMITH,
    "openai": OPENAI,
    "anthropic": ANTHROPIC,
    "litellm": LITELLM,
}
OPENAI_CSV = (
    "start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,"
    "service_tier,input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens,input_audio_tokens\n"
    "1759622400,1759708800,2025-10-05T00:00:00+00:00,2025-10-06T00:00:00+00:00,proj_1,8.0,u1,key_1,mini,TRUE,default,"
    "1000.0,100.0,400.0,600.0,0.0\n"
    "1759708800,1759795200,2025-10-06T00:00:00+00:00,2025-10-07T00:00:00+00:00,,,,,,,,,,,,\n"
)
ANTHROPIC_CSV = (
    "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
    "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
    "usage_output_tokens,web_search_count,inference_geo,speed\n"
    "2026-11-05,mini,production,Default,batch,≤ 200k,1500,500,1000,200,500,0,global,\n"
)


def imported(
    source: ImportSource, *rows: Any, store: InMemoryStore | None = None, strict: bool = False
) -> tuple[ImportResult, list[LedgerEntry]]:
    """What became of JSON lines, and the ledger's lines."""
    ledger = InMemoryStore() if store is None else store
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    return import_from(source, lines, ledger, prices=PRICES, strict=strict), list(ledger.entries())
