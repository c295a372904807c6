"""The only writer of the ledger: takes a call that began and what became of it, prices it, and writes its line.

A recorder knows nothing of LangChain. Whoever watches calls (callbacks, embeddings, batch jobs) hands it a
`StartedCall` and later an `Outcome`; both are plain facts.
"""

from langchain_costguard.recorder.calls import Outcome, StartedCall, StreamUsage, View
from langchain_costguard.recorder.lines import MAX_PREFIX_DIGESTS, PREFIX_BLOCK_BYTES, LineMaker
from langchain_costguard.recorder.writer import Recorder

__all__ = [
    "MAX_PREFIX_DIGESTS",
    "PREFIX_BLOCK_BYTES",
    "LineMaker",
    "Outcome",
    "Recorder",
    "StartedCall",
    "StreamUsage",
    "View",
]
