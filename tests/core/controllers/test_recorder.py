"""Events: what they say, and that repetition counts instead of piling up."""

from __future__ import annotations

from emucluster.core.controllers.admission_writer import AdmissionWriter
from emucluster.core.controllers.event_names import event_name
from emucluster.core.controllers.recorder import Recorder
from emucluster.core.durations import Speed
from emucluster.core.objects import Event, Pod

from .world import World, pod


def recorded() -> tuple[World, Pod, Recorder]:
    world = World(cloud=None)
    world.create(pod("p"))
    writer = AdmissionWriter(world.admission)
    return world, world.get(Pod, "p"), Recorder(writer, component="kubelet")


def events(world: World) -> list[Event]:
    return [each for each in world.store.list(Event) if each.source.component == "kubelet"]


def test_an_event_names_its_object_its_source_and_the_container_that_is_meant() -> None:
    world, about, recorder = recorded()
    path = "spec.containers{echo}"
    recorder.record(
        about, "Normal", "Started", "text", stamp=world.stamp, host="node-1", field_path=path
    )
    (event,) = events(world)
    reference = event.involved_object
    assert (reference.kind, reference.name, reference.namespace) == ("Pod", "p", "default")
    assert (reference.uid, reference.field_path) == (about.metadata.uid, path)
    assert (event.source.host, event.reporting_instance) == ("node-1", "node-1")
    assert event.reporting_component == "kubelet"
    assert (event.first_timestamp, event.last_timestamp, event.count) == (world.stamp,) * 2 + (1,)


def test_what_repeats_counts_up_and_begins_anew_once_it_is_forgotten() -> None:
    world, about, recorder = recorded()
    for _ in range(3):
        recorder.record(about, "Warning", "BackOff", "text", stamp=world.stamp)
        world.now_s += 10
    recorder.record(about, "Warning", "BackOff", "other", stamp=world.stamp)
    counts = {each.message: each.count for each in events(world)}
    assert counts == {"text": 3, "other": 1}
    for each in events(world):
        world.delete(each)
    recorder.record(about, "Warning", "BackOff", "text", stamp=world.stamp)
    (again,) = events(world)
    assert (again.count, again.first_timestamp) == (1, world.stamp)


def test_what_repeats_too_often_is_counted_and_written_later() -> None:
    world, about, recorder = recorded()
    for _ in range(100):
        recorder.record(about, "Warning", "Unhealthy", "text", stamp=world.stamp)
        recorder.record(about, "Warning", "BackOff", "text", stamp=world.stamp)
    versions = {each.metadata.resource_version for each in events(world)}
    assert {each.reason: each.count for each in events(world)} == {"Unhealthy": 13, "BackOff": 12}
    recorder.record(about, "Warning", "Killing", "text", stamp=world.stamp)
    assert {each.metadata.resource_version for each in events(world)} == versions
    began = world.stamp
    world.now_s += 600
    recorder.record(about, "Warning", "Unhealthy", "text", stamp=world.stamp)
    recorder.record(about, "Warning", "Killing", "text", stamp=world.stamp)
    told = {each.reason: each for each in events(world)}
    assert {reason: each.count for reason, each in told.items()} == {
        "Unhealthy": 101,
        "BackOff": 12,
        "Killing": 2,
    }
    killing = told["Killing"]
    assert (killing.first_timestamp, killing.last_timestamp) == (began, world.stamp)


def test_at_speed_10_there_may_be_another_event_after_half_a_minute() -> None:
    world, about, _ = recorded()
    writer = AdmissionWriter(world.admission, speed=Speed(10))
    recorder = Recorder(writer, component="kubelet")
    for _ in range(30):
        recorder.record(about, "Warning", "Unhealthy", "text", stamp=world.stamp)
    assert [each.count for each in events(world)] == [25]
    world.now_s += 30
    for _ in range(2):
        recorder.record(about, "Warning", "Unhealthy", "text", stamp=world.stamp)
    assert [each.count for each in events(world)] == [31]


def test_many_that_differ_only_in_their_message_become_one() -> None:
    world, about, recorder = recorded()
    for number in range(13):
        recorder.record(about, "Warning", "Failed", f"attempt {number}", stamp=world.stamp)
    recorder.record(about, "Warning", "Other", "text", stamp=world.stamp)
    counts = {each.message: each.count for each in events(world) if each.reason == "Failed"}
    alone = {f"attempt {number}": 1 for number in range(9)}
    assert counts == {**alone, "(combined from similar events): attempt 12": 4}
    world.now_s += 601
    recorder.record(about, "Warning", "Failed", "attempt 13", stamp=world.stamp)
    assert "attempt 13" in {each.message for each in events(world)}


def test_names_of_an_objects_events_grow_with_time_within_one_second_and_over_seconds() -> None:
    world, about, recorder = recorded()
    reasons = ("Scheduled", "Pulling", "Pulled", "Created", "Started", "Killing")
    for number, reason in enumerate(reasons):
        world.now_s += number == 4
        recorder.record(about, "Normal", reason, "text", stamp=world.stamp)
    named = sorted((event.metadata.name, event.reason) for event in events(world))
    assert [reason for _, reason in named] == list(reasons)


def test_an_event_is_named_after_its_moment_in_nanoseconds_below_the_second_its_version() -> None:
    name = event_name("p", stamp="2026-01-01T00:16:40Z", version=255)
    assert name == f"p.{1767226600 * 10**9 + 255:x}"
    assert name < event_name("p", stamp="2026-01-01T00:16:40Z", version=256)
    assert len(event_name("p" * 253, stamp="2026-01-01T00:16:40Z", version=1)) == 253


def test_the_same_history_has_the_same_names() -> None:
    told = []
    for _ in range(2):
        world, about, recorder = recorded()
        recorder.record(about, "Normal", "Started", "text", stamp=world.stamp)
        told.append([event.metadata.name for event in events(world)])
    assert told[0] == told[1] != []
