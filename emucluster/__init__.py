"""emucluster: the Service plane of a Kubernetes-style cluster on Ray."""

__version__ = "0.1.0"
