"""Load: gRPC calls on a schedule, every one of them recorded, and the generator's own limits."""
