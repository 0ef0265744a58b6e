"""Generating and updating workflow packages; the demo source."""
