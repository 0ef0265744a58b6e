"""Mock files: small tables that a human likes to read."""
