"""Starting a container: its image, its environment, and how long to wait after a failure.

Back-off as in kubernetes/kubernetes pkg/kubelet/kuberuntime (restarts) and pkg/kubelet/images.
"""

from __future__ import annotations

from dataclasses import dataclass

from emucluster.core.kubelet import wording
from emucluster.core.kubelet.commands import Command, PodIdentity, StartContainer
from emucluster.core.kubelet.container import ContainerRecord
from emucluster.core.kubelet.environment import ConfigError, PodFacts
from emucluster.core.kubelet.image import Image, UnknownImage, is_stand_in, parse_image
from emucluster.core.kubelet.node_context import NodeContext
from emucluster.core.kubelet.pod_spec import container_spec, stand_in_notes
from emucluster.core.objects import Pod

PULL_ERROR_SHOWN_S = 1.0
"""How long ErrImagePull shows before ImagePullBackOff: one relisting of the kubelet."""
CONFIG_RETRY_S = 10.0


@dataclass(frozen=True, slots=True)
class PodPlace:
    """A pod where it runs."""

    pod: Pod
    node: NodeContext
    ip: str

    def say(
        self, record: ContainerRecord, type_: wording.EventType, reason: str, message: str
    ) -> Command:
        return wording.pod_event(self.pod, type_, reason, message, about=record.field_path)

    def identity(self) -> PodIdentity:
        meta, zone = self.pod.metadata, self.node.settings.zone
        return PodIdentity(meta.uid, meta.namespace, meta.name, self.node.node_name, zone, self.ip)


def stays_down(record: ContainerRecord, policy: str) -> bool:
    """Whether a container that ended is not to be started again under a restart policy."""
    if record.exit is None or record.is_sidecar:
        return False
    if record.is_init and policy == "Always":
        policy = "OnFailure"
    return policy == "Never" or (policy == "OnFailure" and record.exit.exit_code == 0)


def bring_up(record: ContainerRecord, place: PodPlace, now_s: float) -> list[Command]:
    """Start a container that is down, or let it wait with the reason in its status."""
    if record.phase == "waiting" and record.retry_at_s is not None:
        if now_s < record.retry_at_s:
            return []
        if record.waiting_reason == wording.PULL_ERROR:
            return _back_off_pull(record, place)
    if record.exit is not None:
        until_s = record.restart.waits_until_s(record.finished_s)
        if until_s is not None and now_s < until_s:
            return _crash_loop(record, place, until_s)
    return _start(record, place, now_s)


def _start(record: ContainerRecord, place: PodPlace, now_s: float) -> list[Command]:
    name = record.spec.image or ""
    settings = place.node.settings
    try:
        image = parse_image(name, stand_in=settings.stand_in)
    except UnknownImage as error:
        return _cannot_pull(record, place, str(error), now_s)
    facts = PodFacts(place.pod, place.ip, settings.address, settings.capacity)
    try:
        spec = container_spec(
            record.spec,
            image,
            facts,
            sources=place.node.sources,
            services=place.node.services(),
            is_init=record.is_init and not record.is_sidecar,
        )
    except ConfigError as error:
        again = record.waiting_reason == wording.CONFIG_ERROR and record.phase == "waiting"
        record.wait(wording.CONFIG_ERROR, str(error), retry_at_s=now_s + CONFIG_RETRY_S)
        return [] if again else [place.say(record, "Warning", "Failed", f"Error: {error}")]
    container_id = f"{place.node.rng.getrandbits(256):064x}"
    record.create(container_id, image, now_s)
    said = _announce(record, image, place, is_init=spec.runs_to_completion)
    said.append(place.say(record, "Normal", "Created", f"Created container: {record.spec.name}"))
    return [*said, StartContainer(place.identity(), container_id, spec)]


def _announce(
    record: ContainerRecord, image: Image, place: PodPlace, *, is_init: bool
) -> list[Command]:
    """What runs: the image, or a stand-in, whose differences are told once."""
    if not is_stand_in(image):
        return [place.say(record, "Normal", "Pulled", wording.pulled(image.name))]
    notes = stand_in_notes(record.spec, image, is_init=is_init) if record.created == 1 else []
    return [place.say(record, "Normal", "StandIn", note) for note in notes]


def _cannot_pull(
    record: ContainerRecord, place: PodPlace, error: str, now_s: float
) -> list[Command]:
    name = record.spec.image
    record.pull.next(now_s, now_s)
    record.wait(wording.PULL_ERROR, error, retry_at_s=now_s + PULL_ERROR_SHOWN_S)
    return [
        place.say(record, "Normal", "Pulling", f'Pulling image "{name}"'),
        place.say(record, "Warning", "Failed", f'Failed to pull image "{name}": {error}'),
        place.say(record, "Warning", "Failed", f"Error: {wording.PULL_ERROR}"),
    ]


def _back_off_pull(record: ContainerRecord, place: PodPlace) -> list[Command]:
    text = f'Back-off pulling image "{record.spec.image}"'
    retry_at_s = record.pull.updated_s + record.pull.delay_s
    message = f"{text}: {wording.PULL_ERROR}: {record.waiting_message}"
    record.wait(wording.PULL_BACK_OFF, message, retry_at_s=retry_at_s)
    return [
        place.say(record, "Normal", "BackOff", text),
        place.say(record, "Warning", "Failed", f"Error: {wording.PULL_BACK_OFF}"),
    ]


def _crash_loop(record: ContainerRecord, place: PodPlace, until_s: float) -> list[Command]:
    meta, name = place.pod.metadata, record.spec.name
    where = f"{meta.name}_{meta.namespace}({meta.uid})"
    message = (
        f"back-off {wording.go_duration(record.restart.delay_s)} restarting failed "
        f"container={name} pod={where}"
    )
    record.wait("CrashLoopBackOff", message, retry_at_s=until_s)
    text = f"Back-off restarting failed container {name} in pod {where}"
    return [place.say(record, "Warning", "BackOff", text)]
