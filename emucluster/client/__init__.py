"""A cluster from Python: what the command line stands on."""

import os

# gRPC's C core prints each refused or timed-out connection on stderr. Here those are results, told
# with their calls; whoever wants the library's own words sets the variable.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
