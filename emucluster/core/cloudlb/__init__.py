"""What a cloud's load balancer decides: which target, when one is out, what becomes of flows."""
