"""`airflow:` of an environment in `dataflow.yaml`: where Airflow finds what is deployed there, and how it is asked.

Editors show the docstrings and descriptions of the model: they are written for whoever edits the YAML.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pydantic import Field, field_validator

from dataflow.workflow.strict_model import StrictModel


@dataclass(frozen=True, kw_only=True)
class Airflow:
    """Where Airflow finds what an environment runs.

    Attributes:
        dags: The folder of its DAG files; or a git repository, `git+ADDRESS@BRANCH`, that a bundle of it follows.
        command: What its tasks call: the `dataflow` command, or a container image that has it.
        api: The address of its REST API; None where nobody asks it.
        token: Who asks: usually `${secret:NAME}`.
    """

    dags: str
    command: str = "dataflow"
    api: str | None = None
    token: str | None = None


class AirflowSpec(StrictModel):
    """Where Airflow finds what an environment runs."""

    dags: str = Field(description="The folder of its DAG files, absolute; or a git repository, `git+ADDRESS@BRANCH`.")
    command: str = Field(
        "dataflow", description="What its tasks call: the command, or an engine with an image that has it."
    )
    api: str | None = Field(None, description="The address of its REST API, which `workflow run` and others ask.")
    token: str | None = Field(None, description="The token for the API: `${secret:NAME}`.")

    @field_validator("dags")
    @classmethod
    def _is_somewhere(cls, dags: str) -> str:
        """Refuse a folder that is another one for each who deploys."""
        if not dags.startswith(("/", "git+")) and "${" not in dags:
            raise ValueError("should be an absolute folder, or git+ADDRESS")
        return dags

    @field_validator("command")
    @classmethod
    def _is_words(cls, command: str) -> str:
        """Refuse what no shell could read."""
        if not shlex.split(command):  # which raises ValueError where quotes don't match
            raise ValueError("is empty: leave it out for `dataflow`")
        return command

    @field_validator("api")
    @classmethod
    def _is_an_address(cls, api: str | None) -> str | None:
        if api is not None and not api.startswith(("http://", "https://", "${")):
            raise ValueError("should be an http address")
        return None if api is None else api.rstrip("/")
