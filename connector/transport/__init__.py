"""The only place that knows the network."""
