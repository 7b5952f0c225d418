"""What Kubernetes has and this cluster has not, said in words."""

from __future__ import annotations

from emucluster.core.errors import MethodNotAllowed

from .api import KubeApi
from .request import Answer, Request


async def token(api: KubeApi, request: Request) -> Answer:
    """`kubectl create token`: raises MethodNotAllowed."""
    raise MethodNotAllowed(
        "tokens of service accounts are not issued: nothing here would be decided by them; "
        "`emucluster kubeconfig` has those of the users admin and view"
    )


async def proxy(api: KubeApi, request: Request) -> Answer:
    """`kubectl proxy` and `get --raw .../proxy/...` to what runs: raises MethodNotAllowed."""
    assert request.target is not None
    plural = request.target.plural
    raise MethodNotAllowed(
        f"the proxy subresource of {plural} is not served by emucluster; `kubectl port-forward` "
        "reaches pods, and `emucluster status` prints the addresses of Services"
    )
