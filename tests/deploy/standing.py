"""What stands in an environment of the tests' repository."""

from __future__ import annotations

from dataflow.deploy.bundle import load_bundle

KEY = "alice/films:top"


def bundle_of(repo, name="production", key=KEY):
    return load_bundle(repo.registry, repo.current(name).switch.packages[key].bundle)
