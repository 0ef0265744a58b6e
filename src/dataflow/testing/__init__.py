"""The pytest plugin that generated projects use."""
