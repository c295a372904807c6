"""What each technique may cost in quality, and how to find out: the words that every advice ends in."""

from __future__ import annotations

from typing import Final

QUALITY: Final = {
    "exact_cache": "None for questions whose answer does not change. An answer that has gone stale is served until its "
    "time is up, and calls with a temperature above 0 are only cached with max_temperature=.",
    "prompt_caching": "None: the same tokens are read. On a pause longer than the lifetime a write is paid again.",
    "batch": "None in the answers; they come within hours. An agent waits for each of its calls and cannot use it.",
    "output_limit": "An answer that needs the length is cut off; asking again for it costs more than the limit saves.",
    "cascade": "Small: where the small model is wrong and does not show it, its answer is kept.",
    "local_model": "That of the model you can serve. Nothing in the ledger says how good it would be.",
    "plan": "None: the same calls, paid for differently.",
}
"""What it may cost in quality, by technique."""

MEASURE: Final = {
    "exact_cache": "SemanticCache(..., shadow=True) answers nothing, and counts what it would have; then stats().",
    "prompt_caching": "measure_caching(chain, inputs) before, and the savings of the report after a day.",
    "batch": "The savings of the report after the first job, which is compared with the same calls at once.",
    "output_limit": "limit_output(..., holdout=0.1) leaves a tenth of the calls alone: compare length and outcome.",
    "cascade": "Cascade.calibrated(...) reports what it would save and keep on labelled examples before it serves.",
    "local_model": "break_even(...) with the capacity you measured, and a cascade calibrated on the local model.",
    "plan": "compare_plans(...) on another month.",
}
"""How to measure it, by technique."""
