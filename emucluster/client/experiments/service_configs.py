"""Whether gRPC takes the service configs of a workload: gRPC itself is asked."""

from __future__ import annotations

import json

import grpc

from emucluster.core.errors import UsageError
from emucluster.experiment.spec import Experiment
from emucluster.live.load.outcome import NO_CHANNEL

_NOBODY = "unix:/dev/null/nobody"
"""No address of any network, and nobody can listen there: a call ends as soon as it begins."""
_AT_ONCE = (("grpc.enable_retries", 0),)
_PATIENCE_S = 2.0
"""For a policy that keeps calls waiting; a config that is refused fails them before."""


def check_service_configs(label: str, experiment: Experiment) -> None:
    """Raise UsageError, with gRPC's words, for the first config with which it makes no channel."""
    taken: list[str] = []
    for index, group in enumerate(experiment.workload):
        if not group.service_config:
            continue
        config = json.dumps(group.service_config)
        if config in taken:
            continue
        if refusal := refusal_of(config):
            raise UsageError(f"{label}: workload[{index}].serviceConfig: gRPC says: {refusal}")
        taken.append(config)


def refusal_of(config: str) -> str:
    """What gRPC has against a service config (JSON); empty: nothing."""
    options = (("grpc.service_config", config), *_AT_ONCE)
    with grpc.insecure_channel(_NOBODY, options=options) as channel:
        try:
            channel.unary_unary("/emucluster.v1.Echo/Call")(
                b"", timeout=_PATIENCE_S, wait_for_ready=False
            )
        except grpc.RpcError as error:
            words = str(error.details())
            if words.startswith(NO_CHANNEL):
                return words.partition(f"'{_NOBODY}':")[2] or words
    return ""
