"""The command line. Commands are imported when they are used, so that `--help` is quick.

Exit codes: 0 done, 1 it failed, 2 the command line is wrong in itself. Where 1 is an answer (`run`,
`replay`, `diff`), 2 is whatever kept it from being found.
"""

import sys

try:
    import click

    from emucluster import __version__
    from emucluster.cli.which import ClusterOption, offer
except KeyboardInterrupt:  # there is no `run` yet that could say so
    sys.exit(130)

COMMANDS = {
    "up": "emucluster.cli.cluster:up",
    "down": "emucluster.cli.cluster:down",
    "status": "emucluster.cli.status:status",
    "kubeconfig": "emucluster.cli.kubeconfig:kubeconfig",
    "metrics": "emucluster.cli.metrics:metrics",
    "apply": "emucluster.cli.objects:apply",
    "get": "emucluster.cli.objects:get",
    "delete": "emucluster.cli.objects:delete",
    "scale": "emucluster.cli.objects:scale",
    "logs": "emucluster.cli.objects:logs",
    "call": "emucluster.cli.call:call",
    "trace": "emucluster.cli.trace:trace",
    "fault": "emucluster.cli.fault:fault",
    "run": "emucluster.cli.experiments:run",
    "replay": "emucluster.cli.experiments:replay",
    "experiments": "emucluster.cli.experiments:experiments",
    "report": "emucluster.cli.report:report",
    "diff": "emucluster.cli.diff:diff",
    "env": "emucluster.cli.env:env",
    "doctor": "emucluster.cli.doctor:doctor",
    "completion": "emucluster.cli.completion:completion",
}
"""Command -> where it is: `module:attribute`, in the order of the help."""

SUMMARIES = {
    "up": "Start a cluster that outlives this command.",
    "down": "Remove every trace of a cluster.",
    "status": "How to reach the cluster, its machines, the faults in force.",
    "kubeconfig": "Where kubectl and client libraries find the cluster.",
    "metrics": "Where each machine tells Prometheus what it does; or what it tells.",
    "apply": "Create or change objects from manifests.",
    "get": "Show objects.",
    "delete": "Delete objects.",
    "scale": "Set the number of replicas.",
    "logs": "Print what a pod wrote.",
    "call": "Send gRPC echo calls and show who answered.",
    "trace": "Tell one connection as a path, hop by hop.",
    "fault": "Inject, list and clear failures.",
    "run": "Run experiments: load, faults, verdict and report from one file.",
    "replay": "Run an experiment again with the same plan.",
    "experiments": "List the experiments that ship.",
    "report": "Make a run's report anew from its records.",
    "diff": "Compare two runs.",
    "env": "The environment that puts a process inside a pod or node.",
    "doctor": "Check whether this machine can carry clusters.",
    "completion": "Print the completion script for a shell.",
}
"""What the help of the group says, without importing the commands."""


WITHOUT_CLUSTER = frozenset(
    {"experiments", "report", "diff", "doctor", "completion", "fault kinds"}
)
"""Commands that are about no cluster; all others take `--cluster`."""


class LazyGroup(click.Group):
    """Imports a command on use; the group's own help imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        from importlib import import_module

        module, _, attribute = place.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        offer(command, cmd_name, WITHOUT_CLUSTER)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in COMMANDS])


@click.group("emucluster", cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="emucluster", message="%(prog)s %(version)s")
def root() -> None:
    """The Service plane of a Kubernetes-style cluster on Ray: real gRPC over real sockets."""


root.params.insert(0, ClusterOption())


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code of `emucluster ARGUMENTS`; errors are printed as `error: ...`."""
    try:
        outcome = _run(arguments)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        if error.ctx is not None:
            click.echo(error.ctx.get_usage(), err=True)
        return _complain(error.format_message(), 2)
    except click.ClickException as error:
        return _complain(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _complain("interrupted", 130)
    except BrokenPipeError:
        # The reader of our output left, as `head` does. The interpreter would complain at exit.
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        return _complain(unexpected(error), 1)
    return outcome if isinstance(outcome, int) else 0


def _run(arguments: list[str]) -> object:
    """What the command returned, or the exit code of an error of ours."""
    from emucluster.core.errors import EmuclusterError, UsageError

    try:
        return root.main(arguments, prog_name="emucluster", standalone_mode=False)
    except UsageError as error:
        return _complain(str(error), 2)
    except EmuclusterError as error:
        return _complain(str(error), 1)


def unexpected(error: Exception) -> str:
    """One line for what nobody foresaw; `EMUCLUSTER_DEBUG=1` prints where it came from."""
    import os

    if os.environ.get("EMUCLUSTER_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    text = " ".join(str(error).split())
    if isinstance(error, OSError):
        return text
    return f"internal error: {type(error).__name__}: {text}"


def _complain(message: str, code: int) -> int:
    from emucluster.cli.output import print_error

    print_error(message)
    return code
