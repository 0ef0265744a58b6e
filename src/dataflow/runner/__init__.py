"""One run of a workflow, from its first step to its record."""
