"""An environment as a bundle keeps it."""

from __future__ import annotations

import dataclasses

from dataflow.deploy.bundle.manifest import EnvironmentSettings, environment_settings
from dataflow.workflow.project import Environment


def test_a_bundle_keeps_the_accelerator_and_one_from_before_it_has_the_default():
    kept = environment_settings(Environment("production", accelerator="auto"), {})
    assert EnvironmentSettings.model_validate(kept.model_dump(mode="json")).environment().accelerator == "auto"
    plain = environment_settings(Environment("production"), {})
    assert "accelerator" not in plain.model_dump(exclude_defaults=True)  # its checksum stays what it was
    assert EnvironmentSettings(name="production").environment() == plain.environment()


def test_no_setting_of_an_environment_is_lost_but_those_of_its_checkout():
    of_checkout = {"branch", "places", "tracker"}  # campaigns are worked on from a checkout
    fields = {it.name for it in dataclasses.fields(Environment)} - of_checkout
    assert fields <= set(EnvironmentSettings.model_fields)
