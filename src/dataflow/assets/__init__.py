"""Assets: what workflows run, found, built, known by an id that never changes, and kept in a registry."""
