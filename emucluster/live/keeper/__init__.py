"""The keeper: one small process per cluster, the only Ray driver, and the machine room's door.

It starts (or joins) Ray, creates the actors, serves the `Lab` service, and hosts the outside
world's gateways. Run as `python -P -m emucluster.live.keeper`; see `emucluster.client.start`.
"""
