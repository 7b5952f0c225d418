"""The account of a pod (kubernetes/plugin/pkg/admission/serviceaccount).

Differs: `default` need not exist yet, as it comes with its namespace in a moment; no token volume
is added, as nothing in a pod could read it.
"""

from __future__ import annotations

from collections.abc import Collection

from emucluster.core.errors import Forbidden
from emucluster.core.objects import Pod, ServiceAccount, replace
from emucluster.core.store import Store

DEFAULT = "default"


def with_account(pod: Pod, store: Store, opened: Collection[str] = ()) -> Pod:
    """The pod with `serviceAccountName`, and the account's imagePullSecrets if it has none.

    `opened` has accounts that the same request creates, as NAMESPACE/NAME.

    Raises Forbidden when it names an account that is not there.
    """
    spec, meta = pod.spec, pod.metadata
    name = spec.service_account_name or spec.service_account or DEFAULT
    account = store.get(ServiceAccount, meta.namespace, name)
    if account is None and name != DEFAULT and f"{meta.namespace}/{name}" not in opened:
        why = (
            f"error looking up service account {meta.namespace}/{name}: "
            f'serviceaccount "{name}" not found'
        )
        # A name that was generated is another each time; upstream has none yet at this point.
        raise Forbidden.of("pods", meta.generate_name or meta.name, why)
    secrets = spec.image_pull_secrets
    if not secrets and account is not None:
        secrets = account.image_pull_secrets
    if (spec.service_account_name, spec.service_account, spec.image_pull_secrets) == (
        name,
        name,
        secrets,
    ):
        return pod
    changed = replace(
        spec, service_account_name=name, service_account=name, image_pull_secrets=secrets
    )
    return replace(pod, spec=changed)
