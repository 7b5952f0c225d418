"""What a cluster decides, without a clock, a socket, a thread, Ray or gRPC.

Every component here is a machine or a pure function: time comes in as an argument (`now_s`,
monotonic seconds; `stamp`, an RFC 3339 string that only ever stamps objects), randomness as a
`random.Random`, and what is to be done goes out as data. The live runtime and the virtual-time
runtime drive the same code.
"""
