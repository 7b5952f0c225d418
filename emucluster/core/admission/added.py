"""What admission plugins add to a new pod, which nobody manages.

Source: k8s.io/apiserver pkg/endpoints/handlers/create.go: managers are noted after the defaults and
before mutating admission. Were they the creator's, a server-side apply of the same manifest would
take them away.
"""

from __future__ import annotations

from typing import TypeVar, cast

from emucluster.core.objects import Object, Pod, replace

O = TypeVar("O", bound=Object)  # noqa: E741


def without_added(made: O, sent: O) -> O:
    """A prepared object as it was before admission plugins, for its managers: a pod without the
    account, secrets, tolerations and priority that it was given."""
    if not isinstance(made, Pod) or not isinstance(sent, Pod):
        return made
    own = sent.spec
    account = own.service_account_name or own.service_account
    spec = replace(
        made.spec,
        service_account_name=account,
        service_account=account,
        image_pull_secrets=own.image_pull_secrets,
        tolerations=own.tolerations,
        priority=own.priority,
        preemption_policy=own.preemption_policy,
        priority_class_name=own.priority_class_name,
    )
    return cast(O, replace(made, spec=spec))
