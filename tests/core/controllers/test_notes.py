"""What kubelets tell is about the object that they mean, whoever has its name by now."""

from __future__ import annotations

from emucluster.core.controllers.admission_writer import AdmissionWriter
from emucluster.core.controllers.notes import take_note
from emucluster.core.controllers.recorder import Recorder
from emucluster.core.kubelet import wording
from emucluster.core.kubelet.commands import RecordEvent
from emucluster.core.objects import Event, Pod

from .world import World, pod


def told(world: World, *notes: RecordEvent) -> list[Event]:
    """The Events that became of a kubelet's notes."""
    writer = AdmissionWriter(world.admission)
    recorder = Recorder(writer, component="kubelet")
    for note in notes:
        take_note(note, world.store, recorder, stamp=world.stamp, host="node-1")
    return [each for each in world.store.list(Event) if each.source.component == "kubelet"]


def replaced(world: World) -> tuple[Pod, Pod]:
    """A pod that is gone, and its successor of the same name, as a StatefulSet makes them."""
    world.create(pod("db-0"))
    first = world.get(Pod, "db-0")
    world.delete(first)
    world.create(pod("db-0"))
    second = world.get(Pod, "db-0")
    assert first.metadata.uid != second.metadata.uid
    return first, second


def test_an_event_about_a_pod_that_was_replaced_is_not_about_its_successor() -> None:
    world = World(cloud=None, kubelets=False)
    first, second = replaced(world)
    killing = wording.pod_event(
        first, "Normal", "Killing", "Stopping", about="spec.containers{echo}"
    )
    created = wording.pod_event(second, "Normal", "Created", "Created container: echo")
    events = told(world, killing, created)
    about = {each.reason: each.involved_object for each in events}
    assert about["Killing"].uid == first.metadata.uid
    assert about["Created"].uid == second.metadata.uid
    assert (about["Killing"].kind, about["Killing"].api_version) == ("Pod", "v1")
    assert (about["Killing"].name, about["Killing"].namespace) == ("db-0", "default")
    assert about["Killing"].field_path == "spec.containers{echo}"
    assert about["Killing"].resource_version is None
    assert about["Created"].resource_version == second.metadata.resource_version


def test_an_event_about_a_pod_that_is_gone_is_kept() -> None:
    world = World(cloud=None, kubelets=False)
    world.create(pod("p"))
    gone = world.get(Pod, "p")
    world.delete(gone)
    (event,) = told(world, wording.pod_event(gone, "Warning", "Unhealthy", "no answer"))
    assert (event.involved_object.uid, event.type) == (gone.metadata.uid, "Warning")
    assert event.source.host == "node-1"


def test_events_about_nodes_carry_the_name_as_uid() -> None:
    (event,) = told(World(cloud=None), wording.node_event("node-9", "Normal", "Starting", ""))
    reference = event.involved_object
    assert (reference.kind, reference.name, reference.uid) == ("Node", "node-9", "node-9")
    assert event.metadata.namespace == "default"


def test_what_cannot_be_an_event_is_dropped() -> None:
    unknown = RecordEvent("Gadget", "default", "g", "uid-g", "Normal", "R", "m")
    nobody = RecordEvent("Pod", "default", "p", "", "Normal", "R", "m")
    nowhere = RecordEvent("Pod", "no-such-namespace", "p", "uid-p", "Normal", "R", "m")
    assert told(World(cloud=None), unknown, nobody, nowhere) == []
