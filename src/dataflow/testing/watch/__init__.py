"""Rerunning tests on every save: one JVM for as long as one watches, a fresh Python process for each rerun."""
