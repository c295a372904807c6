"""The rules our own tests run under, run on tests made for the purpose."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import pytest_socket
import tiktoken

CONFTEST = Path(__file__).parents[1] / "conftest.py"
MARKS = """
[pytest]
markers = required: must run
asyncio_default_fixture_loop_scope = function
"""


@pytest.fixture
def made(pytester: pytest.Pytester) -> pytest.Pytester:
    """An empty folder with our conftest."""
    pytester.makeini(MARKS)
    pytester.makeconftest(CONFTEST.read_text())
    return pytester


def test_a_required_test_that_is_skipped_fails_and_nothing_else_does(made: pytest.Pytester) -> None:
    """A proof that quietly stopped running would still look green."""
    made.makepyfile(
        """
        import pytest

        @pytest.mark.required
        @pytest.mark.skip(reason="required 1")
        def test_mark(): pass

        @pytest.mark.required
        @pytest.mark.skipif(True, reason="required 2")
        def test_condition(): pass

        @pytest.mark.required
        def test_inside(): pytest.skip("required 3")

        @pytest.fixture
        def missing(): pytest.skip("required 4")

        @pytest.mark.required
        def test_fixture(missing): pass

        @pytest.mark.required
        class TestClass:
            def test_method(self): pytest.skip("required 5")

        @pytest.mark.required
        def test_passes(): pass

        @pytest.mark.required
        @pytest.mark.xfail(reason="known")
        def test_known_fault(): assert False

        def test_not_required(): pytest.skip("fine")
        """
    )
    result = made.runpytest("-p", "no:cacheprovider")
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] + outcomes["errors"] == 5
    assert (outcomes["passed"], outcomes["skipped"], outcomes["xfailed"]) == (1, 1, 1)
    for number in range(1, 6):
        assert f"required, but skipped: Skipped: required {number}" in result.stdout.str()


def test_a_module_of_required_tests_that_skips_itself_fails(made: pytest.Pytester) -> None:
    """Its marks are never read: pytest only sees a module that wants to be skipped."""
    made.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.required
        pytest.skip("no server", allow_module_level=True)
        """
    )
    result = made.runpytest("-p", "no:cacheprovider")
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*holds required tests, but was skipped: *no server*"])


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_tests_cannot_leave_this_machine() -> None:
    """A test that reaches a real provider costs money and proves nothing."""
    with socket.socket() as connection, pytest.raises(pytest_socket.SocketConnectBlockedError):
        connection.connect(("192.0.2.1", 443))


def test_tests_see_no_settings_of_whoever_runs_them(made: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's tracing key or ledger must not take part in a test."""
    for name in ("LANGSMITH_TRACING", "LANGCHAIN_API_KEY", "COSTGUARD_STORE", "OPENAI_BASE_URL", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "somebody's")
    made.makepyfile(
        """
        import os

        def test_it():
            assert "somebody's" not in os.environ.values()
        """
    )
    made.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_tests_have_a_home_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The default ledger lives below the home folder: no test may write into a person's."""
    for name in ("HOME", "XDG_DATA_HOME", "LOCALAPPDATA", "APPDATA"):
        assert Path(os.environ[name]).is_relative_to(tmp_path_factory.getbasetemp())


def test_the_real_tiktoken_runs_without_a_network() -> None:
    """Token ids in tests are the real ones."""
    assert tiktoken.get_encoding("o200k_base").encode("hello world") == [24912, 2375]
    assert tiktoken.get_encoding("cl100k_base").encode("hello world") == [15339, 1917]
