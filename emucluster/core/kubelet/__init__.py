"""The kubelet of a node: pods' lifecycles, probes, termination and heartbeats, without any I/O.

`kubelet.Kubelet` is the door: objects and events go in with the time, commands come out
(`commands`), and what became of them comes back (`events`).
"""
