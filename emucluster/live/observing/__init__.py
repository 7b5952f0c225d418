"""What is so, and what everybody believes, told as it changes.

What belongs here: keeping the present state of it and telling watchers. What does not: finding it
out, which whoever knows does (a node, a load balancer, the keeper).
"""
