"""The cloud's load balancer as a process: `core.cloudlb` on real sockets.

What belongs here: listening, probing, forwarding as decided. What does not: which target, when a
target is out (core.cloudlb).
"""
