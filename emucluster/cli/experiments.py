"""`run`, `replay` and `experiments`: the failure lab."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emucluster.cli import unexpected, which
from emucluster.cli.answering import Answering
from emucluster.cli.output import print_error, print_warning
from emucluster.core.errors import EmuclusterError, UsageError
from emucluster.core.printable import printable

if TYPE_CHECKING:
    from emucluster.client.experiments.jobs import Job, Outcome


_Decorator = Callable[[Callable[..., int]], Callable[..., int]]


def _where(*, several: str = "") -> _Decorator:
    """What `run` and `replay` are told alike: how much to show, and where the files go."""

    def decorated(command: Callable[..., int]) -> Callable[..., int]:
        for option in (
            click.option("-q", "--quiet", is_flag=True, help="Only what came of it."),
            click.option(
                "--out",
                type=click.Path(path_type=Path, file_okay=False),
                metavar="DIR",
                help="Where report and results go: new, empty, or an older run's, which is "
                f"replaced{several}. [emucluster-runs/...]",
            ),
        ):
            command = option(command)
        return command

    return decorated


@click.command(cls=Answering)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--seed", type=int, help="Of every random choice. [the file's]")
@click.option("--trials", type=int, metavar="N", help="How often it is run. [the file's]")
@click.option("--speed", type=float, metavar="X", help="Of the cluster. [the file's]")
@_where(several="; of several files, each in DIR/NAME")
def run(
    files: tuple[str, ...],
    seed: int | None,
    trials: int | None,
    speed: float | None,
    out: Path | None,
    quiet: bool,
) -> int:
    """Run experiments: load, faults, verdict and report, each from one file.

    FILE is a path, or the name of an experiment that ships (see `experiments`). Files whose
    `cluster` is the same share one.

    Exit codes: 0 every hypothesis held, 1 one did not, 2 it cannot be told or proves nothing, or
    the input is wrong; of several files the worst.
    """
    from emucluster.client.experiments.directory import directories
    from emucluster.client.experiments.jobs import Job, Overrides, check, overridden
    from emucluster.client.experiments.source import open_source
    from emucluster.experiment.few_calls import warnings

    overrides = Overrides(seed=seed, trials=trials, speed=speed)
    sources = [overridden(open_source(file), overrides) for file in files]
    name = which.given()  # the environment's is for commands that only look
    for source in sources:
        check(source, own_cluster=name is None)
        for text in warnings(source.experiment):
            print_warning(f"{source.label}: {text}")
    jobs = [Job(*pair) for pair in zip(sources, directories(sources, out), strict=True)]
    return _carry_out(jobs, name, quiet)


@click.command(cls=Answering)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@_where()
def replay(directory: Path, out: Path | None, quiet: bool) -> int:
    """Run the experiment of DIR, where `run` wrote, again: same seed, same plan.

    Every trial's plan must have the digest that was recorded; else it is said what differs, and
    nothing is broken. Exit codes as of `run`.
    """
    from emucluster.client.experiments.directory import directories
    from emucluster.client.experiments.jobs import Job, Overrides, check, overridden
    from emucluster.client.experiments.replay import recorded

    if out is not None and out.resolve() == directory.resolve():
        raise UsageError("--out: would replace the run that is replayed")
    read, plans = recorded(directory)
    source = overridden(read, Overrides())
    name = which.given()  # the environment's is for commands that only look
    check(source, own_cluster=name is None)
    jobs = [Job(source, directories([source], out)[0], plans)]
    return _carry_out(jobs, name, quiet)


for _command in (run, replay):
    _command.params.append(which.ClusterOption(help="Use this running cluster. [starts one]"))


@click.command()
@click.option("-o", "--output", type=click.Choice(["text", "name"]), default="text")
def experiments(output: str) -> None:
    """List the experiments that ship; `run NAME` runs one.

    NAME-cure asks the same as NAME, of a cluster with the cure.
    """
    from emucluster.client.experiments.source import shipped

    found = shipped()
    if output == "name":
        for source in found:
            click.echo(source.experiment.name)
        return
    blocks = [
        "\n".join([click.style(source.experiment.name, bold=True), _story(source.experiment.story)])
        for source in found
    ]
    click.echo("\n\n".join(blocks) if blocks else "No experiment ships with this installation.")


def _story(text: str) -> str:
    return click.wrap_text(
        " ".join(text.split()), width=96, initial_indent="  ", subsequent_indent="  "
    )


def _carry_out(jobs: Sequence[Job], name: str | None, quiet: bool) -> int:
    from emucluster.cli.run_view import view
    from emucluster.client.experiments.directory import remove_if_empty
    from emucluster.client.experiments.run import run as run_jobs

    codes: list[int] = []
    with view(quiet) as shown:
        try:
            with closing(run_jobs(jobs, cluster=name, watcher=shown)) as done:
                for outcome in done:
                    shown.written(outcome)
                    codes.append(outcome.result.exit_code)
        except BrokenPipeError:
            raise
        except Exception as error:  # the other experiments have come to something too
            is_known = isinstance(error, EmuclusterError)
            print_error(str(error) if is_known else unexpected(error))
            codes.append(2)
        finally:
            for job in jobs:
                if job.directory is not None:
                    remove_if_empty(job.directory)
    if len(jobs) > 1:
        click.echo(f"\n{_overview(jobs, shown.came_to)}")
    return _worst(codes)


def _overview(jobs: Sequence[Job], came_to: Sequence[Outcome]) -> str:
    """A line for each experiment: verdict, name, directory."""
    from emucluster.client.table import align

    overall = {outcome.job.directory: outcome.result.overall for outcome in came_to}
    rows = []
    for job in jobs:
        kept = job.directory is not None and job.directory.exists()
        where = printable(str(job.directory)) if kept else ""
        rows.append([overall.get(job.directory, "not ended"), job.source.experiment.name, where])
    return align(rows)


def _worst(codes: Sequence[int]) -> int:
    """A hypothesis that did not hold is the worst: it has been decided."""
    return next((code for code in (1, 2) if code in codes), 0)
