"""Wait, on the host where this runs, until the named cluster is ready."""

import sys

import emucluster as emu

if __name__ == "__main__":
    with emu.connect(sys.argv[1]) as session:
        session.wait_ready(60)
    print("null")
