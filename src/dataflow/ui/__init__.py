"""The read-only pages of `dataflow ui`."""
