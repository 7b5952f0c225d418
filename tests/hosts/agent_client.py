"""Ask the Agent at HOST:PORT to describe itself, with a wrong token; print how that ends."""

import json
import sys

import grpc

from emucluster.live.rpc.channel import connect, credentials
from emucluster.live.rpc.pb import lab_pb2, lab_pb2_grpc

if __name__ == "__main__":
    stub = lab_pb2_grpc.AgentStub(connect(sys.argv[1]))
    try:
        stub.Describe(lab_pb2.DescribeRequest(), metadata=credentials("wrong"), timeout=5)
        print(json.dumps("OK"))
    except grpc.RpcError as error:
        print(json.dumps(error.code().name))
