"""Call each HOST:PORT given once, as any gRPC client on this host would; print the replies."""

import json
import sys

import grpc

from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc


def call(target: str) -> dict[str, str]:
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            reply = echo_pb2_grpc.EchoStub(channel).Call(
                echo_pb2.EchoRequest(message="hello"), timeout=5
            )
        except grpc.RpcError as error:
            return {"status": error.code().name}
    return {"status": "OK", "node": reply.node, "client": reply.client}


if __name__ == "__main__":
    print(json.dumps([call(target) for target in sys.argv[1:]]))
