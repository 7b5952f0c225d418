"""Sockets: forwarders, tunnels, gateways, probes and the kernel filters that silence them.

Everything here runs on one uvloop per process and decides nothing: what to do with a connection is
asked of a synchronous callback, which is core code. Linux only.
"""
