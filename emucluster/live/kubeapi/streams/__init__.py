"""What goes on between a client and a pod: its log, processes in it, bytes to its ports.

ways                      from the API server to nodes and pods, by their tunnels
pods                      which container is meant, and on what node it is
log                       `log`
commands, channels        `exec` and `attach`, over WebSockets
port_forward, spdy        `portforward` as kubectl does it: SPDY through a WebSocket
port_channels             the same as Python's clients do it: channels of a WebSocket
"""
