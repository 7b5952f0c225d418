"""Every experiment that ships, many times: what `make lab` runs and docs/lab holds.

Each file is run with `emucluster run --trials N`, in a cluster of its own, a few files at a time.
The page at the end has a row for each: what was expected (a trouble fails, its cure passes), what
came, and the distribution of what decided it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from emucluster.experiment.result import RunResult, Trial, UnreadableResult, from_json
from emucluster.experiment.verdict import Verdict

ROOT = Path(__file__).resolve().parent.parent
EXPERIMENTS = ROOT / "examples" / "experiments"
CURE = "-cure"


@dataclass(frozen=True)
class Run:
    """One file's run: how it ended, and its results where it left any."""

    name: str
    exit_code: int
    took_s: float
    result: RunResult | None
    words: str

    @property
    def expected(self) -> int:
        """A trouble fails; what has `-cure` in its name passes."""
        return 0 if self.name.endswith(CURE) else 1


def main() -> int:
    arguments = _arguments()
    files = arguments.files or sorted(EXPERIMENTS.glob("*.yaml"), key=lambda path: path.stem)
    arguments.out.mkdir(parents=True, exist_ok=True)
    started_s = time.time()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        runs = list(pool.map(lambda path: _run(path, arguments), files))
    took_s = time.time() - started_s
    (arguments.out / "README.md").write_text(_page(runs, arguments, took_s))
    return 0 if all(run.exit_code == run.expected for run in runs) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="default: all that ship")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2, help="files at a time")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "lab")
    parser.add_argument("--keep", type=Path, help="keep every run's whole directory here")
    return parser.parse_args()


def _run(path: Path, arguments: argparse.Namespace) -> Run:
    directory = (arguments.keep or ROOT / "build" / "lab") / path.stem
    shutil.rmtree(directory, ignore_errors=True)
    command = [sys.executable, "-m", "emucluster", "run", str(path), "-q"]
    command += ["--trials", str(arguments.trials), "--out", str(directory)]
    began_s = time.time()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    run = Run(
        path.stem,
        done.returncode,
        time.time() - began_s,
        _result(directory / "results.json"),
        (done.stdout + done.stderr).strip(),
    )
    summary = directory / "summary.md"
    if summary.exists():
        shutil.copy(summary, arguments.out / f"{path.stem}.md")
    mark = "as expected" if run.exit_code == run.expected else "UNEXPECTED"
    print(f"{path.stem}: exit {run.exit_code}, {mark}, {run.took_s:.0f} s", flush=True)
    if run.exit_code != run.expected:
        print(run.words, flush=True)
    return run


def _result(path: Path) -> RunResult | None:
    try:
        return from_json(path.read_bytes())
    except (OSError, UnreadableResult):
        return None


# --- the page ------------------------------------------------------------------------------------


def _page(runs: list[Run], arguments: argparse.Namespace, took_s: float) -> str:
    lines = [
        "# What `make lab` found",
        "",
        f"{len(runs)} files, {arguments.trials} trials each, {arguments.jobs} at a time, in "
        f"{took_s / 60:.0f} minutes. {_where(runs)}",
        "",
        "A trouble is expected to fail (exit 1) and its cure, which is asked the same, to pass "
        "(exit 0). Values are medians with the range of all valid trials.",
        "",
        "| experiment | exit | trials: pass, fail, unknown, invalid | hypothesis | found | bound |",
        "|---|---|---|---|---|---|",
    ]
    for run in runs:
        lines += _rows(run)
    unexpected = [run.name for run in runs if run.exit_code != run.expected]
    lines += ["", f"Not as expected: {', '.join(unexpected) or 'none'}."]
    return "\n".join(lines) + "\n"


def _where(runs: list[Run]) -> str:
    for run in runs:
        if run.result is not None:
            environment = run.result.environment
            versions = ", ".join(f"{name} {v}" for name, v in environment.versions.items())
            return f"{environment.cores:g} cores; {versions}; {environment.failure_mode}."
    return ""


def _rows(run: Run) -> list[str]:
    mark = f"{run.exit_code}" if run.exit_code == run.expected else f"**{run.exit_code}**"
    if run.result is None:
        return [f"| {run.name} | {mark} | - | no results | {_cell(run.words)} | |"]
    counts = _counts(run.result.trials)
    first: dict[str, Verdict] = {}
    for _, verdict in run.result.verdicts:
        first.setdefault(verdict.name, verdict)
    rows: list[str] = []
    for name, verdict in first.items():
        found = run.result.distributions.get(f"verdict/{name}")
        value = "-" if found is None else f"{found.median:.4g} [{found.low:.4g}-{found.high:.4g}]"
        bound = "" if verdict.bound is None else f"{verdict.bound:.4g}"
        head = f"| [{run.name}]({run.name}.md) | {mark} | {counts} " if not rows else "| | | "
        rows.append(f"{head}| {_cell(name)} | {value} | {bound} |")
    return rows


def _counts(trials: tuple[Trial, ...]) -> str:
    of = [trial.overall for trial in trials]
    return ", ".join(str(of.count(word)) for word in ("pass", "fail", "unknown", "invalid"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")[:200]


if __name__ == "__main__":
    sys.exit(main())
