// Calls TARGET COUNT times with gRPC C++.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

static bool call(grpc::GenericStub& stub) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  grpc::CompletionQueue queue;
  grpc::Slice nothing("");
  grpc::ByteBuffer request(&nothing, 1), reply;
  auto reader = stub.PrepareUnaryCall(&context, "/emucluster.v1.Echo/Call", request, &queue);
  reader->StartCall();
  grpc::Status status;
  reader->Finish(&reply, &status, &reader);
  void* tag;
  bool ok;
  queue.Next(&tag, &ok);
  if (!status.ok()) {
    std::fprintf(stderr, "%d %s\n", status.error_code(), status.error_message().c_str());
    return false;
  }
  std::vector<grpc::Slice> slices;
  reply.Dump(&slices);
  for (const auto& slice : slices)
    for (size_t i = 0; i < slice.size(); ++i) std::printf("%02x", slice.begin()[i]);
  std::printf("\n");
  return true;
}

int main(int, char** argv) {
  auto channel = grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  for (int left = std::atoi(argv[2]); left > 0; --left)
    if (!call(stub)) return 1;
}
