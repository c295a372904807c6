"""The child process that serves one model file until its standard input closes, which it does when its parent ends.

`python -m langchain_costguard.demo.serve_gguf MODEL.gguf NAME ADDRESS_FILE` writes the server's address to ADDRESS_FILE
once the model answers.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

_CONTEXT_TOKENS: Final = 8192
_REQUESTS_AT_ONCE: Final = 2
_THREADS: Final = 1
"""One thread computes. llama.cpp's threads spin while they wait for each other: on two cores that had other work too,
two threads were measured at 2 tokens per second and one at 75."""


def main(weights: str, name: str, address_file: str) -> None:
    """Serve a model on a free loopback port.

    Args:
        weights: path of the GGUF file.
        name: the name the model answers to.
        address_file: where the server's address is written once it is ready.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = _CONTEXT_TOKENS
    params.n_parallel = _REQUESTS_AT_ONCE
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _THREADS
    params.use_jinja = True
    server = xllamacpp.Server(params)
    ready = Path(address_file).with_suffix(".new")
    ready.write_text(server.listening_address, encoding="ascii")
    ready.rename(address_file)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
