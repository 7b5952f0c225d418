"""kube-proxy's decisions: which endpoint a connection gets, or why none, node by node."""
