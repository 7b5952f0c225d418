"""A cluster's life in its keeper: build, serve, take down."""

import asyncio
import logging
import os
import signal
from typing import Any

import msgspec

from emucluster.core.addresses import Slice
from emucluster.core.errors import ClusterError
from emucluster.live.clock import wall_s
from emucluster.live.keeper import plan
from emucluster.live.keeper.agents import Agents
from emucluster.live.keeper.belief import Belief
from emucluster.live.keeper.cloud import Cloud
from emucluster.live.keeper.edge import Edge
from emucluster.live.keeper.faults import Faults
from emucluster.live.keeper.generators import Generators
from emucluster.live.keeper.lab import Lab
from emucluster.live.keeper.machines import Machine, Machines
from emucluster.live.keeper.newcomer import Newcomers
from emucluster.live.keeper.observing import Observing
from emucluster.live.keeper.places import Places
from emucluster.live.keeper.process_end import ended
from emucluster.live.keeper.ray_head import Host
from emucluster.live.keeper.ready import ReadyPipe
from emucluster.live.keeper.rig import ClusterRig
from emucluster.live.keeper.samples import Samples
from emucluster.live.keeper.settings import ClusterRecord, KeeperSettings
from emucluster.live.keeper.warden import started_ticks
from emucluster.live.keeper.witness import Witnesses
from emucluster.live.metrics.keeper import KeeperCollector
from emucluster.live.metrics.machine import FlowCollector, StateCollector
from emucluster.live.metrics.page import MachineRoom
from emucluster.live.metrics.rig import RigCollector
from emucluster.live.network import packet_filter
from emucluster.live.network.dialer import dial
from emucluster.live.network.looking import Looker
from emucluster.live.rpc.pb import lab_pb2, lab_pb2_grpc
from emucluster.live.rpc.server import bind, make_server

DOWN_GRACE_S = 2.0
SERVER_GRACE_S = 0.2

log = logging.getLogger(__name__)


class Keeper:
    """The running cluster. Needs Ray to be up; `hosts` are its machines, the keeper's own first."""

    def __init__(self, settings: KeeperSettings, ray_address: str, hosts: list[Host]) -> None:
        self._settings = settings
        self._ray_address = ray_address
        self._hosts = hosts
        self._several = len(hosts) > 1
        self._started_wall_s = wall_s()
        self._lab_address = ""
        self._machines = Machines()
        self._agents = Agents(settings.token)
        # Beside the keeper: the edge must reach load balancers, and the database is here.
        self._here = hosts[0].ray_id if self._several else None
        self._cloud = Cloud(
            settings,
            self._machines,
            self._agents,
            several_hosts=self._several,
            host=hosts[0].address,
            ray_id=self._here,
        )
        self._faults = Faults(
            self._machines, self._agents, self._cloud, addresses=Slice(settings.slice)
        )
        self._edge = Edge(Slice(settings.slice), self._machines, bind=settings.bind)
        self._rig = ClusterRig(self._machines, self._agents)
        self._looker = Looker(
            dial,
            Slice(settings.slice).keeper,
            elsewhere=settings.bind if self._several and settings.bind else "",
            token=settings.token,
        )
        self._witnesses = self._make_witnesses()
        self._generators = Generators(settings, host=hosts[0].address, ray_id=self._here)
        self._belief: Belief | None = None
        self._room = MachineRoom("keeper")
        self._metrics: dict[str, str] = {}
        self._refreshing: asyncio.Task[None] | None = None
        self._stale = False
        # Tried, not guessed from the uid: each process of ours may do what this one may.
        self._failure_mode = "kernel filter" if packet_filter.available() else "imitated"
        self._grace_s = DOWN_GRACE_S
        self._end = asyncio.Event()

    def _observing(self) -> Observing:
        return Observing(self._machines, self._agents, self._settings.token)

    def _make_witnesses(self) -> Witnesses:
        addresses = Slice(self._settings.slice)
        places = Places(self._machines, self._agents, addresses, self._looker)
        newcomers = Newcomers(self._machines, self._agents, self._looker)
        samples = Samples(
            self._machines, self._agents, self._faults.pod, self._observing, newcomers
        )
        return Witnesses(places, samples, self._faults)

    async def run(self, pipe: ReadyPipe) -> None:
        """Serve until told to end; raises what a failed start raises, with the pipe still open."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            # After `ray.init`, which puts a handler of its own in place.
            loop.add_signal_handler(number, self._end.set)
        owner = asyncio.create_task(self._end_with_owner(), name="owner")
        self._rig.start()
        server = make_server(self._settings.token)
        lab = Lab(
            status=self.status,
            machines=self._machines,
            agents=self._agents,
            faults=self._faults,
            cloud=self._cloud,
            edge=self._edge,
            rig=self._rig,
            witnesses=self._witnesses,
            observing=self._observing,
            generators=self._generators,
            down=self._down,
        )
        lab_pb2_grpc.add_LabServicer_to_server(lab, server)
        address, port = plan.lab_bind(self._settings, several_hosts=self._several)
        self._lab_address = f"{address}:{bind(server, address, port)}"
        await server.start()
        self._metrics = self._serve_metrics(address)
        await self._build_unless_told_to_end(pipe)
        record = self._record()
        record.write()
        pipe.ready(msgspec.to_builtins(record))
        log.info("ready")
        await self._end.wait()
        owner.cancel()
        log.info("taking the cluster down")
        if self._belief is not None:
            await self._belief.stop()
        await self._generators.close()
        await self._edge.close()
        self._looker.close()
        self._faults.stop()
        await self._room.aclose()
        self._rig.stop()
        await self._machines.stop_all(grace_s=self._grace_s)
        await self._agents.close()
        await server.stop(SERVER_GRACE_S)
        log.info("all machines have stopped")

    def _serve_metrics(self, address: str) -> dict[str, str]:
        settings = self._settings
        about = {
            "cluster": settings.name,
            "version": settings.version,
            "packing": settings.packing,
            "cloud": settings.cloud,
        }
        return self._room.listen(
            address,
            StateCollector("keeper", "keeper"),
            KeeperCollector(
                lambda: [*self._machines, *self._generators.machines],
                lambda: self._edge.clients,
                about,
                settings.speed,
            ),
            FlowCollector(self._edge.flow_log),
            RigCollector(self._rig.keeper),
        )

    async def _end_with_owner(self) -> None:
        """A cluster that belongs to a process ends with it, however that ends."""
        settings = self._settings
        if settings.owner_pid:
            await ended(settings.owner_pid, settings.owner_started)
            log.warning("process %d, whose cluster this is, has ended", settings.owner_pid)
            self._end.set()

    async def _build_unless_told_to_end(self, pipe: ReadyPipe) -> None:
        """`down` from another terminal ends a start at once, and the starter is told."""
        build = asyncio.create_task(self._build(pipe), name="build")
        told = asyncio.create_task(self._end.wait(), name="told to end")
        await asyncio.wait((build, told), return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not build.done():
            raise ClusterError(f'cluster "{self._settings.name}" was taken down while it started')
        build.result()

    async def _build(self, pipe: ReadyPipe) -> None:
        """All processes are asked for at once; nodes are started when the API has an address."""
        settings = self._settings
        pipe.progress("starting the control plane")
        plane = self._control_plane()
        nodes = [
            self._node(host, config)
            for host, config in plan.nodes(settings, self._hosts, lab=self._lab_address)
        ]
        for machine in (plane, *nodes):
            self._machines.create(machine)
        await self._machines.start(plane)
        self._serve_others(plane.told["api"])
        pipe.progress(f"starting {len(nodes)} node{'s' if len(nodes) > 1 else ''}")
        for machine in nodes:
            machine.late = {"api": plane.told["api"], "dns": plane.told.get("dns", "")}
        # Workers start about three a second on a core; a large cluster takes its time.
        deadline_s = 60.0 + 1.0 * len(nodes)
        await asyncio.gather(
            *(self._machines.start(machine, deadline_s=deadline_s) for machine in nodes)
        )

    def _serve_others(self, api: str) -> None:
        """With `--bind`, follow the API server so that other machines reach what they may."""
        if self._settings.bind is not None:
            self._belief = Belief(api, self._settings.token, self._refresh)
            self._cloud.follow(self._belief)
            self._edge.serve_others(self._belief, self._settings.bind, self._settings.token)
            self._belief.start()

    def _refresh(self) -> None:
        """One pass at a time; what changes during one is seen by another."""
        self._stale = True
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh_all(), name="refresh")

    async def _refresh_all(self) -> None:
        while self._stale:
            self._stale = False
            self._edge.refresh()
            await self._cloud.refresh()

    def _control_plane(self) -> Machine:
        config = plan.control_plane(
            self._settings, lab=self._lab_address, several_hosts=self._several
        )
        return Machine(
            name="control-plane",
            kind="control-plane",
            implementation=self._settings.implementations.control_plane,
            config=config,
            address=config["address"],
            host=self._hosts[0].address,
            ray_id=self._here,
        )

    def _node(self, host: Host, config: dict[str, Any]) -> Machine:
        return Machine(
            name=config["name"],
            kind="node",
            implementation=self._settings.implementations.node,
            config=config,
            address=config["address"],
            zone=config["zone"],
            host=host.address,
            ray_id=host.ray_id if self._several else None,
            here=host.here,
        )

    def _down(self, grace_s: float) -> None:
        self._grace_s = grace_s or DOWN_GRACE_S
        self._end.set()

    def _record(self) -> ClusterRecord:
        settings, plane = self._settings, self._machines.get("control-plane")
        assert plane is not None
        started = started_ticks(os.getpid())
        assert started is not None
        return ClusterRecord(
            name=settings.name,
            directory=settings.directory,
            lab=self._lab_address,
            api=str(plane.told["api"]),
            kubernetes=str(plane.told.get("kubernetes", "")),
            dns=str(plane.told.get("dns", "")),
            keeper_pid=os.getpid(),
            keeper_started=started,
            started_wall_s=self._started_wall_s,
            slice=settings.slice,
            nodes=settings.nodes,
            zones=settings.zones,
            packing=settings.packing,
            cloud=settings.cloud,
            speed=settings.speed,
            version=settings.version,
            ray_address=self._ray_address,
            several_hosts=self._several,
            outside=settings.outside,
        )

    def status(self) -> Any:
        """What exists, as its processes are."""
        settings, plane = self._settings, self._machines.get("control-plane")
        told = plane.told if plane is not None else {}
        keeper = lab_pb2.Machine(
            name="keeper",
            kind="keeper",
            address=self._lab_address.rpartition(":")[0],
            agent=self._lab_address,
            pid=os.getpid(),
            host=self._hosts[0].address,
            state="running",
            metrics=self._metrics,
        )
        return lab_pb2.ClusterStatus(
            name=settings.name,
            packing=settings.packing,
            cloud=settings.cloud,
            speed=settings.speed,
            version=settings.version,
            api=str(told.get("api", "")),
            kubernetes=str(told.get("kubernetes", "")),
            dns=str(told.get("dns", "")),
            lab=self._lab_address,
            started_wall_s=self._started_wall_s,
            keeper_pid=os.getpid(),
            slice=settings.slice,
            machines=[
                keeper,
                *(_shown(machine) for machine in self._machines),
                *(_shown(machine) for machine in self._generators.machines),
            ],
            failure_mode=self._failure_mode,
            ray_address=self._ray_address,
            directory=settings.directory,
            several_hosts=self._several,
            outside=settings.outside,
            published={each.name: f"{at[0]}:{at[1]}" for each, at in self._edge.published()},
        )


def _shown(machine: Machine) -> Any:
    plane = machine.kind == "control-plane"
    return lab_pb2.Machine(
        name=machine.name,
        kind=machine.kind,
        address=machine.address,
        agent=str(machine.told.get("api", "")) if plane else machine.agent,
        pid=machine.pid,
        zone=machine.zone,
        host=machine.host,
        state="stopped" if machine.stopped else machine.state,
        started=machine.started or 0,
        ends=machine.ends,
        metrics=machine.told.get("metrics", {}),
    )
