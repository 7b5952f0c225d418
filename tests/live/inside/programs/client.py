"""Calls TARGET COUNT times with Python's grpc; with a third argument balances over its addresses.

Like its neighbours it sends an empty request and prints each reply in hex.
"""

import sys

import grpc

target, count = sys.argv[1], int(sys.argv[2])
options: list[tuple[str, str | int]] = []
if len(sys.argv) > 3:
    options = [
        ("grpc.enable_http_proxy", 0),  # else the proxy would be told the name and choose one pod
        ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
    ]
with grpc.insecure_channel(target, options=options) as channel:
    call = channel.unary_unary("/emucluster.v1.Echo/Call")
    for _ in range(count):
        print(call(b"", timeout=10, wait_for_ready=True).hex())
