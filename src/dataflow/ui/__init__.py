"""What there is to look at: a local, read-only site over the state address, the catalog and the registry."""
