"""Names of the cluster: what a DNS server answers for Services, endpoints and pods."""
