"""`emucluster completion`: click's completion scripts."""

import click

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_EMUCLUSTER_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash: eval "$(emucluster completion bash)"
    zsh:  eval "$(emucluster completion zsh)"
    fish: emucluster completion fish | source
    """
    from click.shell_completion import get_completion_class

    from emucluster.cli import root

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(root, {}, "emucluster", _VARIABLE).source())
