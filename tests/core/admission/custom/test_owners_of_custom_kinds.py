"""What custom objects own, while definitions come and go."""

from __future__ import annotations

from emucluster.core.admission.lifecycle import ABSENT_MAX
from emucluster.core.objects import ConfigMap, CustomObject, Object, ObjectMeta, OwnerReference

from .world import NOW, World, widget

DEFINITION = ("CustomResourceDefinition", "", "widgets.example.com")


def own(world: World, owner: Object, name: str, version: str = "v1") -> None:
    reference = OwnerReference(
        api_version=f"example.com/{version}",
        kind="Widget",
        name=owner.metadata.name,
        uid=owner.metadata.uid,
    )
    meta = ObjectMeta(name=name, namespace="default", owner_references=(reference,))
    world.admission.create(ConfigMap(metadata=meta), stamp=NOW)
    world.settle()


def maps(world: World) -> list[str]:
    return [each.metadata.name for each in world.store.list(ConfigMap, "default")]


def owning(world: World, name: str = "w") -> CustomObject:
    owner = world.create(widget(name))
    own(world, owner, f"of-{name}")
    return owner


def test_what_the_objects_of_a_definition_own_goes_with_it() -> None:
    world = World()
    world.define()
    world.settle()
    owning(world)
    assert maps(world) == ["of-w"]
    world.admission.delete(*DEFINITION, stamp=NOW)
    world.settle()
    assert world.crd() is None
    assert maps(world) == []


def test_no_owner_is_forgotten_while_many_go_at_once() -> None:
    world = World()
    world.define()
    world.settle()
    for number in range(ABSENT_MAX + 10):
        owning(world, f"w{number}")
    world.admission.delete(*DEFINITION, stamp=NOW)
    world.settle()
    assert maps(world) == []


def test_an_owner_whose_definition_ended_is_no_reason_until_the_kind_is_back() -> None:
    world = World()
    world.define()
    world.settle()
    owner = world.create(widget())
    world.admission.delete(*DEFINITION, stamp=NOW)
    world.settle()
    own(world, owner, "late")
    own(world, owner, "of-no-version", version="v9")
    assert maps(world) == ["late", "of-no-version"]
    world.define()
    world.settle()
    # Now it can be seen that the owner is not there; of a version that is not served it cannot.
    assert maps(world) == ["of-no-version"]


def test_an_object_whose_kind_ends_while_it_is_looked_at_is_no_more() -> None:
    world = World()
    world.define()
    world.settle()
    reference = {"apiVersion": "gone.example.com/v1", "kind": "Thing", "name": "n", "uid": "u"}
    tree = widget()
    tree["metadata"]["ownerReferences"] = [reference]
    world.create(tree)
    world.settle()
    assert [each.metadata.name for each in world.store.list("Widget.example.com")] == ["w"]
    world.admission.delete(*DEFINITION, stamp=NOW)
    world.settle()
    assert world.crd() is None
