"""Where a node sends each connection that comes in at it or begins on it: names, policy, place.

What belongs here: from an address or name to a pod, another node, or a refusal. What does not:
which endpoint (kubeproxy), which addresses (dns), and how to get there (sockets and tunnels).
"""
