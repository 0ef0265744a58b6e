"""Bundles: packages loaded, rendered and checked, with all that they run, in one manifest that never changes."""
