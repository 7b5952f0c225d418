"""`apply`, `get`, `delete`, `scale` and `logs`: kubectl's words, for the common cases."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import click

from emucluster.cli import which
from emucluster.cli.parameters import Seconds
from emucluster.client.cluster import DELETE_TIMEOUT_S, Session, connect
from emucluster.client.manifests import load_files
from emucluster.client.table import name_of, tables
from emucluster.core.errors import NotFound, UsageError
from emucluster.core.objects import Object, Pod
from emucluster.core.objects.codec import to_tree
from emucluster.core.objects.registry import Resource, resource, resource_of

INT32_MAX = 2**31 - 1
ALL = ("Pod", "Service", "Deployment", "ReplicaSet")
"""What `get all` means."""

namespace_option = click.option(
    "-n", "--namespace", default="default", show_default=True, metavar="NS", help="Namespace."
)
all_namespaces_option = click.option(
    "-A", "--all-namespaces", is_flag=True, help="In all namespaces."
)
selector_option = click.option(
    "-l", "--selector", default="", metavar="QUERY", help="Label selector, as app=web,tier!=cache."
)
files_option = click.option(
    "-f",
    "--filename",
    "files",
    multiple=True,
    metavar="FILE|DIR|-",
    help="Manifest, directory of manifests, or - for standard input; may be repeated.",
)


def session(namespace: str = "default") -> Session:
    """The cluster that the command line means."""
    return connect(which.cluster(), namespace=namespace)


@click.command()
@files_option
@namespace_option
@click.option("--dry-run", is_flag=True, help="Let the server check everything, change nothing.")
def apply(files: tuple[str, ...], namespace: str, dry_run: bool) -> None:
    """Create or change objects from manifests.

    All files are read and all objects checked before the first is written.
    """
    if not files:
        raise UsageError("must specify -f FILE, DIR or -")
    objects = load_files(files)
    with session(namespace) as cluster:
        suffix = " (server dry run)" if dry_run else ""
        for applied in cluster.api.apply(objects, namespace=namespace, dry_run=dry_run):
            click.echo(f"{name_of(applied.object)} {applied.outcome}{suffix}")


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="KIND[,KIND...] [NAME...] | KIND/NAME...")
@namespace_option
@all_namespaces_option
@selector_option
@click.option(
    "-o",
    "--output",
    type=click.Choice(["wide", "yaml", "json", "name"]),
    help="More columns, whole objects, or names only.",
)
@click.option("--no-headers", is_flag=True, help="No header line.")
@click.option("--ignore-not-found", is_flag=True, help="No error where a name does not exist.")
def get(
    what: tuple[str, ...],
    namespace: str,
    all_namespaces: bool,
    selector: str,
    output: str | None,
    no_headers: bool,
    ignore_not_found: bool,
) -> None:
    """Show objects: `get pods`, `get svc,deploy -o wide`, `get pod/web-1 -o yaml`, `get all`."""
    wanted = parse_what(what)
    named = any(name for _, name in wanted)
    if named and (selector or all_namespaces):
        raise UsageError("a name cannot be combined with a selector or with all namespaces")
    with session(namespace) as cluster:
        found: list[Object] = []
        missing: list[NotFound] = []
        for row, name in wanted:
            if name is None:
                where = None if all_namespaces else namespace
                found += cluster.api.list(row.kind, where, labels=selector)
                continue
            try:
                found.append(cluster.api.get(row.kind, name, namespace))
            except NotFound as error:
                missing.append(error)
    if found or not missing:
        _print(found, wanted, namespace, all_namespaces, output, no_headers, named)
    if missing and not ignore_not_found:
        for other in missing[:-1]:
            click.echo(f"Error from server (NotFound): {other}", err=True)
        raise missing[-1]


def parse_what(words: Sequence[str]) -> list[tuple[Resource, str | None]]:
    """`po,svc`, `pod a b`, `pod/a svc/b` or `all` as kinds and names.

    Raises UsageError, or NotFound for an unknown kind.
    """
    if any("/" in word for word in words):
        pairs = [word.split("/") for word in words]
        if any(len(pair) != 2 or not all(pair) for pair in pairs):
            raise UsageError(
                "there is no need to specify a resource type as a separate argument when passing "
                "arguments in resource/name form (e.g. 'get pod/NAME', not 'get pod pod/NAME')"
            )
        return [(resource(kind), name) for kind, name in pairs]
    kinds = [
        resource(kind)
        for word in words[0].split(",")
        for kind in (ALL if word == "all" else (word,))
        if word
    ]
    if not kinds:
        raise UsageError("you must specify the type of resource to get")
    if len(words) == 1:
        return [(row, None) for row in kinds]
    return [(row, name) for row in kinds for name in words[1:]]


def _print(
    objects: list[Object],
    wanted: list[tuple[Resource, str | None]],
    namespace: str,
    all_namespaces: bool,
    output: str | None,
    no_headers: bool,
    named: bool,
) -> None:
    if output in ("json", "yaml"):
        click.echo(_whole(objects, single=named and len(wanted) == 1, output=output), nl=False)
    elif output == "name":
        for obj in objects:
            click.echo(name_of(obj))
    elif not objects:
        namespaced = any(row.namespaced for row, _ in wanted)
        where = "" if all_namespaces or not namespaced else f" in {namespace} namespace"
        click.echo(f"No resources found{where}." if where else "No resources found", err=True)
    else:
        text = tables(
            objects,
            now_s=time.time(),
            wide=output == "wide",
            with_namespace=all_namespaces,
            with_kind=len({row.kind for row, _ in wanted}) > 1,
        )
        click.echo(text.partition("\n")[2] if no_headers else text)


def _whole(objects: list[Object], *, single: bool, output: str) -> str:
    trees = [to_tree(obj) for obj in objects]
    tree: Any = trees[0] if single else {"apiVersion": "v1", "items": trees, "kind": "List"}
    if not single:
        tree["metadata"] = {"resourceVersion": ""}
    if output == "json":
        return json.dumps(tree, indent=4, ensure_ascii=False) + "\n"
    import yaml

    return yaml.safe_dump(tree, sort_keys=True, allow_unicode=True, width=10_000)


@click.command()
@click.argument("what", nargs=-1, metavar="[KIND NAME... | KIND/NAME...]")
@files_option
@namespace_option
@selector_option
@click.option("--all", "everything", is_flag=True, help="All of the kind in the namespace.")
@click.option(
    "--grace-period",
    type=click.IntRange(0, INT32_MAX),
    metavar="S",
    help="Seconds instead of the pod's.",
)
@click.option("--wait/--no-wait", default=True, help="Wait until the objects are gone (default).")
@click.option(
    "--timeout",
    type=Seconds(),
    default=DELETE_TIMEOUT_S,
    show_default=True,
    metavar="S",
    help="Wait.",
)
@click.option("--ignore-not-found", is_flag=True, help="No error where a name does not exist.")
def delete(
    what: tuple[str, ...],
    files: tuple[str, ...],
    namespace: str,
    selector: str,
    everything: bool,
    grace_period: int | None,
    wait: bool,
    timeout: float,
    ignore_not_found: bool,
) -> None:
    """Delete objects by name, by label, or as named in manifests."""
    if bool(what) == bool(files):
        raise UsageError("delete needs KIND NAME, KIND/NAME, KIND -l QUERY, or -f FILE")
    manifests = load_files(files) if files else []
    wanted = parse_what(what) if what else []
    unnamed = [row for row, name in wanted if name is None]
    if unnamed and not (selector or everything):
        raise UsageError(
            "resource(s) were provided, but no name, label selector, or --all was specified"
        )
    with session(namespace) as cluster:
        targets = [
            (resource_of(obj), obj.metadata.name, obj.metadata.namespace or namespace)
            for obj in manifests
        ]
        for row, name in wanted:
            if name is not None:
                targets.append((row, name, namespace))
            else:
                listed = cluster.api.list(row.kind, namespace, labels=selector)
                targets += [(row, o.metadata.name, o.metadata.namespace) for o in listed]
        if not targets:
            click.echo("No resources found", err=True)
        _delete(cluster, targets, grace_period, wait, timeout, ignore_not_found)


def _delete(
    cluster: Session,
    targets: list[tuple[Resource, str, str]],
    grace_period_s: int | None,
    wait: bool,
    timeout_s: float,
    ignore_not_found: bool,
) -> None:
    """Begin with all, go on past those that are not there, then wait for all."""
    begun: list[Object] = []
    missing: list[NotFound] = []
    for row, name, namespace in targets:
        try:
            obj = cluster.api.delete(row.kind, name, namespace, grace_period_s=grace_period_s)
        except NotFound as error:
            missing.append(error)
            continue
        begun.append(obj)
        title = f"{row.singular}.{row.group}" if row.group else row.singular
        click.echo(f'{title} "{name}" deleted')
    if wait:
        cluster.wait_gone(begun, timeout_s=timeout_s)
    if missing and not ignore_not_found:
        for other in missing[:-1]:
            click.echo(f"Error from server (NotFound): {other}", err=True)
        raise missing[-1]


@click.command()
@click.argument("target", metavar="KIND/NAME")
@click.option("--replicas", type=click.IntRange(0, INT32_MAX), required=True, metavar="N")
@namespace_option
def scale(target: str, replicas: int, namespace: str) -> None:
    """Set the number of replicas: `scale deployment/web --replicas=5`."""
    with session(namespace) as cluster:
        click.echo(f"{name_of(cluster.scale(target, replicas))} scaled")


@click.command()
@click.argument("pod", metavar="POD")
@namespace_option
@click.option("-c", "--container", default="", metavar="NAME", help="Of several containers, which.")
@click.option("--tail", type=int, metavar="LINES", help="Only so many lines from the end.")
@click.option(
    "-f",
    "--follow",
    is_flag=True,
    help="Go on with what comes, until the container ends or Ctrl-C.",
)
@click.option("-p", "--previous", is_flag=True, help="Of the container's run before this one.")
def logs(
    pod: str, namespace: str, container: str, tail: int | None, follow: bool, previous: bool
) -> None:
    """Show what a pod wrote to standard output and error."""
    name = pod.removeprefix("pods/").removeprefix("pod/").removeprefix("po/")
    with session(namespace) as cluster:
        found = cluster.api.get("Pod", name, namespace)
        assert isinstance(found, Pod)
        chosen = _container(found, container)
        pieces = cluster.logs(name, container=chosen, tail=tail, follow=follow, previous=previous)
        out = sys.stdout.buffer
        with contextlib.closing(pieces), contextlib.suppress(KeyboardInterrupt):
            for piece in pieces:
                out.write(piece)
                out.flush()


def _container(pod: Pod, name: str) -> str:
    """The container meant; the first, with a word on standard error, where several are there."""
    names = [container.name for container in pod.spec.containers]
    if name and name not in names:
        raise UsageError(f"container {name} is not valid for pod {pod.metadata.name}")
    if not name and len(names) > 1:
        listed = ", ".join(names)
        click.echo(f'Defaulted container "{names[0]}" out of: {listed}', err=True)
    return name or names[0]
