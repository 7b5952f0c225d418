"""Knock at a node's tunnel: ADDRESS PORT POD-IP, the token on standard input; print its answers.

Prints what the node sends back to a header with a wrong MAC, to one with the right MAC, and to the
latter once more: empty text where the node ends the connection without a word.
"""

import json
import secrets
import socket
import sys
import time

from emucluster.live.network.tunnel_header import NONCE_BYTES, TunnelHeader, encode


def knock(place: tuple[str, int], header: bytes) -> str:
    with socket.create_connection(place, timeout=10) as sock:
        sock.sendall(header)
        try:
            return sock.recv(1).hex()
        except ConnectionResetError:
            return ""


def main() -> None:
    place = (sys.argv[1], int(sys.argv[2]))
    token = sys.stdin.read().strip().encode()
    header = TunnelHeader(
        flow_id=secrets.token_bytes(16),
        nonce=secrets.token_bytes(NONCE_BYTES),
        time_ms=int(time.time() * 1000),
        destination=(sys.argv[3], 50051),
        source=("127.32.200.1", 0),
    )
    wrong, right = encode(header, token[::-1]), encode(header, token)
    print(json.dumps([knock(place, wrong), knock(place, right), knock(place, right)]))


if __name__ == "__main__":
    main()
