# Calls TARGET COUNT times with Ruby's grpc.
require "grpc"

target, count = ARGV[0], Integer(ARGV[1])
same = ->(bytes) { bytes }
stub = GRPC::ClientStub.new(target, :this_channel_is_insecure)
count.times do
  reply = stub.request_response(
    "/emucluster.v1.Echo/Call", "".b, same, same, deadline: Time.now + 10
  )
  puts reply.unpack1("H*")
end
