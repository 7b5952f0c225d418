"""The HTTPS API that kubectl and client libraries speak, over the store of the control plane.

What belongs here: HTTP, TLS, who asks and what he may, media types, discovery, watches as streams.
What does not: any decision about objects, which is admission's, and any second copy of them.

    protocol, server      connections: uvicorn with limits of our own
    app                   one request: limits, who asks, deadline, errors, counts
    router                to the handler of a path and verb
    reads, writes, ...    the handlers; each takes a `Request` and returns an `Answer`, or streams
    paths, query, accept, discovery, users   pure parts
"""
