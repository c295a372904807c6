"""Mutation testing of the code that decides about money and admission: which of mutmut's mutants the tests notice.

    python tests/mutation/mutate.py                                     # every mutant of the files in [tool.mutmut]
    python tests/mutation/mutate.py 'langchain_costguard.cost.*' --show # one file's, and what survived as a diff
    python tests/mutation/mutate.py --sample 1000                       # a random sample of all

mutmut makes the mutants (one function each, switched by a trampoline) and `forked.py` tries them in a copy of this tree
under `build/mutation`. What was killed is kept there and not tried again until its function changes. Mutants that
`equivalent.md` lists are counted apart.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import fnmatch
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from math import sqrt
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent
EQUIVALENT: Final = "equivalent"
_COPIED: Final = ("langchain_costguard", "tests", "scripts", "demo", "docs", "pyproject.toml", "README.md")
_IGNORED: Final = {"__pycache__", ".hypothesis"}
_ENTRY: Final = re.compile(r"^### `(?P<file>[^`]+)` `(?P<function>[^`]+)`$|^\+(?P<line>.*)$", re.MULTILINE)
_Z_95: Final = 1.96


@dataclass(frozen=True)
class Mutant:
    """One mutation of one function.

    Attributes:
        name: mutmut's name of it, `module.x_function__mutmut_3`.
        file: the file it is in, from the package's folder.
        function: the function or method, as `Class.method`.
        original: the function's source.
        mutated: its source with the mutation.
    """

    name: str
    file: str
    function: str
    original: str = field(repr=False)
    mutated: str = field(repr=False)

    @cached_property
    def key(self) -> str:
        """What a result belongs to: it holds until the function changes."""
        return hashlib.sha256(f"{self.original}\0{self.mutated}".encode()).hexdigest()[:16]

    @cached_property
    def diff(self) -> list[str]:
        """The lines that differ."""
        lines = difflib.unified_diff(self.original.splitlines(), self.mutated.splitlines(), n=0, lineterm="")
        return [line for line in lines if line[:3] not in {"---", "+++"} and not line.startswith("@@")]

    def draw(self, seed: int) -> str:
        """Its place in a random order, which stays as it is when other functions change."""
        return hashlib.sha256(f"{seed} {self.name}".encode()).hexdigest()

    @property
    def place(self) -> tuple[str, str, str]:
        """Where `equivalent.md` lists it: its file, its function and its changed lines."""
        return self.file, self.function, " ".join(line[1:].strip() for line in self.diff if line[0] == "+")


def main() -> int:
    """Make, try and count the mutants."""
    arguments = _arguments()
    work: Path = arguments.work
    mutants = _make(work, is_read_only=arguments.report)
    named = {pattern: fnmatch.filter([mutant.name for mutant in mutants], pattern) for pattern in arguments.names}
    nothing = [pattern for pattern, names in named.items() if not names]
    if nothing or not mutants:  # what was meant is not tried, and a share of nothing would look like all
        given = " and ".join(nothing) or "only_mutate in [tool.mutmut]"
        sys.exit(
            f"mutation: {given} names none of {len(mutants)} mutants: patterns are of whole names, such as "
            "'langchain_costguard.cost.*'"
        )
    wanted = {name for names in named.values() for name in names}
    chosen = [mutant for mutant in mutants if not named or mutant.name in wanted]
    if arguments.sample and arguments.sample < len(chosen):
        chosen = sorted(chosen, key=lambda mutant: mutant.draw(arguments.seed))[: arguments.sample]
    _try(work, chosen, arguments)
    status = _statuses(work, chosen)
    if arguments.show:
        for mutant in chosen:
            if status[mutant.name] not in {"killed", "timeout", EQUIVALENT}:
                print(f"### `{mutant.file}` `{mutant.function}` {status[mutant.name]}: {mutant.name}")
                print("\n".join(mutant.diff), "\n")
    share = _report(chosen, status, len(mutants))
    untried = sum(found == "not tried" for found in status.values())
    if untried:  # of these nothing is known, so the share is not that of what was asked for
        sys.exit(
            f"mutation: {untried} of {len(chosen)} mutants have not been tried as they are now: leave out --report"
        )
    return 0 if share >= arguments.at_least else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="patterns of mutants, such as 'langchain_costguard.cost.*'")
    parser.add_argument("--sample", type=int, help="so many of them, chosen at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0, help="of tests a mutant is given at most, fastest first")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--show", action="store_true", help="print what survived")
    parser.add_argument("--report", action="store_true", help="count what was tried before; fail if something was not")
    parser.add_argument("--at-least", type=float, default=0.9, help="fail below this share, equivalents excluded")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "mutation")
    return parser.parse_args()


def _make(work: Path, *, is_read_only: bool) -> list[Mutant]:
    """A copy of the tree whose functions are mutated; files that did not change are not mutated again."""
    made = work / "made.json"
    known = json.loads(made.read_text()) if made.exists() else {}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    mutated: dict[str, tuple[str, str]] = {}
    for pattern in settings["only_mutate"]:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            mutated[name] = known[name] if known.get(name, [""])[0] == digest else (digest, _mutate(path))
    if not is_read_only:
        _copy(work / "tree", {name: code for name, (_, code) in mutated.items()})
        made.write_text(json.dumps(mutated))
    return [mutant for name, (_, code) in mutated.items() for mutant in _read(name, code)]


def _copy(tree: Path, mutated: dict[str, str]) -> None:
    """Bring the copy up to date; what is the same stays, so that it stays compiled."""
    wanted: set[Path] = set()
    for place in _COPIED:
        for path in (ROOT / place).rglob("*") if (ROOT / place).is_dir() else [ROOT / place]:
            if path.is_file() and not _IGNORED & set(path.parts):
                name = path.relative_to(ROOT)
                content = mutated[name.as_posix()].encode() if name.as_posix() in mutated else path.read_bytes()
                copy = tree / name
                wanted.add(copy)
                if not copy.exists() or copy.read_bytes() != content:
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    copy.write_bytes(content)
    for copy in tree.rglob("*"):
        if copy.is_file() and copy not in wanted and "__pycache__" not in copy.parts:
            copy.unlink()


def _mutate(path: Path) -> str:
    from mutmut.mutation.file_mutation import mutate_file_contents

    return mutate_file_contents(str(path), path.read_text()).code


def _read(name: str, code: str) -> list[Mutant]:
    """The mutants in a mutated file, each beside the original of its function."""
    module = name.removesuffix(".py").replace("/", ".")
    lines = code.splitlines()
    sources: dict[str, str] = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "__mutmut_" in node.name:
            body = "\n".join(lines[node.lineno - 1 : node.end_lineno])
            sources[node.name] = body.replace(node.name, node.name.rpartition("__mutmut_")[0])
    mutants = []
    for mangled, source in sources.items():
        base, _, number = mangled.rpartition("__mutmut_")
        if number != "orig":
            function = base.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
            file = name.removeprefix("langchain_costguard/")
            mutants.append(Mutant(f"{module}.{mangled}", file, function, sources[f"{base}__mutmut_orig"], source))
    return mutants


def _try(work: Path, mutants: list[Mutant], arguments: argparse.Namespace) -> None:
    """Have those tried that were not killed before and are not listed as equivalent."""
    status = _statuses(work, mutants)
    left = {mutant.name: mutant.key for mutant in mutants if status[mutant.name] not in {"killed", EQUIVALENT}}
    if not left or arguments.report:
        return
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    modules = sorted({name.rpartition(".")[0] for name in left})
    plan = {
        "mutants": left,
        "warm": ["langchain_core.language_models", "langchain_openai", "genai_prices.data", *modules],
        "workers": arguments.workers,
        "seconds": arguments.seconds,
        "results": str(work / "results.jsonl"),
        "reached": str(work / "reached.json"),
    }
    (work / "plan.json").write_text(json.dumps(plan))
    print(f"trying {len(left)} mutants with {arguments.workers} processes ...", flush=True)
    quick = ["-q", "-p", "no:cacheprovider", "--capture=sys", "--assert=plain", "--tb=native"]
    command = [sys.executable, "-m", "pytest", "-p", "forked", *quick]
    selection = [*settings["pytest_add_cli_args_test_selection"], *settings["pytest_add_cli_args"]]
    environment = {**os.environ, "MUTATION_PLAN": str(work / "plan.json"), "PYTHONPATH": str(HERE)}
    run = subprocess.run([*command, *selection], cwd=work / "tree", env=environment, check=False)
    if run.returncode:
        sys.exit("mutation: the tests themselves failed, see above; mend them first")


def _statuses(work: Path, mutants: list[Mutant]) -> dict[str, str]:
    """What became of each mutant: the last that was said of its very source."""
    results = work / "results.jsonl"
    said: dict[tuple[str, str], str] = {}
    if results.exists():
        for line in results.read_text().splitlines():
            result = json.loads(line)
            said[result["mutant"], result["key"]] = result["status"]
    equivalent = _equivalents()
    return {
        mutant.name: EQUIVALENT if mutant.place in equivalent else said.get((mutant.name, mutant.key), "not tried")
        for mutant in mutants
    }


def _equivalents() -> set[tuple[str, str, str]]:
    """What `equivalent.md` lists: under a heading with file and function, the changed lines of each mutation."""
    listed: set[tuple[str, str, str]] = set()
    place = ("", "")
    path = HERE / "equivalent.md"
    blocks = re.split(r"^(?=### )|^```$", path.read_text() if path.exists() else "", flags=re.MULTILINE)
    for block in blocks:
        lines: list[str] = []
        for match in _ENTRY.finditer(block):
            if match["file"]:
                place = match["file"], match["function"]
            else:
                lines.append(match["line"].strip())
        if lines:
            listed.add((*place, " ".join(lines)))
    return listed


def _report(mutants: list[Mutant], status: dict[str, str], of: int) -> float:
    """Print what became of them, file by file; the share killed of those that are not equivalent."""
    names = ("killed", "timeout", "survived", "no tests", EQUIVALENT, "not tried")
    by_file: dict[str, Counter[str]] = {}
    for mutant in mutants:
        by_file.setdefault(mutant.file, Counter())[status[mutant.name]] += 1
    total: Counter[str] = sum(by_file.values(), Counter())
    print(f"{'file':42}" + "".join(f"{name:>11}" for name in names) + f"{'killed %':>10}{'of all %':>10}")
    for file, counts in [*sorted(by_file.items()), ("all", total)]:
        cells = "".join(f"{counts[name]:11}" for name in names)
        print(f"{file:42}{cells}{100 * _share(counts):10.1f}{100 * _share(counts, with_equivalent=True):10.1f}")
    tried = total.total() - total["not tried"] - total[EQUIVALENT]
    share = _share(total)
    if tried and len(mutants) < of:
        half = _Z_95 * sqrt(share * (1 - share) / tried)
        print(f"{tried} tried of {of}: {100 * share:.1f} % ± {100 * half:.1f} (95 %)")
    return share


def _share(counts: Counter[str], *, with_equivalent: bool = False) -> float:
    noticed = counts["killed"] + counts["timeout"]
    tried = noticed + counts["survived"] + counts["no tests"] + (counts[EQUIVALENT] if with_equivalent else 0)
    if not tried:  # nothing is missed where there is nothing to notice, and nothing is known where nothing was tried
        return 0.0 if counts["not tried"] else 1.0
    return noticed / tried


if __name__ == "__main__":
    sys.exit(main())
