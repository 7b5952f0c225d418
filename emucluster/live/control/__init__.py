"""The control plane as a process: the pure plane on real time, SQLite and gRPC.

What belongs here: driving `core.controllers.plane`, the durable watermark, the Api service, the
fan-out of watches. What does not: any decision about objects.
"""
