"""What runs inside pods, and the container runtime of a node that runs it."""
