// Calls TARGET COUNT times with @grpc/grpc-js, which NODE_PATH finds.
const grpc = require("@grpc/grpc-js");
const [target, count] = [process.argv[2], Number(process.argv[3])];

const client = new grpc.Client(target, grpc.credentials.createInsecure());
const same = (bytes) => bytes;

function call(left) {
  if (left === 0) return client.close();
  client.makeUnaryRequest(
    "/emucluster.v1.Echo/Call", same, same, Buffer.alloc(0), new grpc.Metadata(),
    { deadline: Date.now() + 10000 },
    (error, reply) => {
      if (error) {
        console.error(`${error.code} ${error.details}`);
        process.exit(1);
      }
      console.log(reply.toString("hex"));
      call(left - 1);
    });
}
call(count);
