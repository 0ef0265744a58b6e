"""The speed claims, measured side by side: `python -m benchmarks`, or `nox -s benchmarks`."""
