"""Deployments: workflows and all that they run, bundled whole, switched at once, rolled back at once."""
