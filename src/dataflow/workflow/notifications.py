"""What a definition says of messages: one that is a job, and those at the end of a run.

Editors show the docstrings and descriptions of these models: they are written for whoever edits the YAML.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from dataflow.workflow.strict_model import StrictModel
from dataflow.workflow.values import Duration


class NotificationSpec(StrictModel):
    """A message by e-mail, by webhook, or both."""

    to: list[str] = Field([], description="E-mail addresses, names of owners in dataflow.yaml, or `owner`.")
    webhook: str | None = Field(None, description="URL of a Slack-style incoming webhook; usually `${secret:NAME}`.")
    subject: str
    message: str = ""

    @model_validator(mode="after")
    def _reaches_somebody(self) -> NotificationSpec:
        if not self.to and self.webhook is None:
            raise ValueError("needs 'to', 'webhook' or both")
        return self


class Notifications(StrictModel):
    """Notifications at the end of a run."""

    on_failure: list[str] = Field([], description="Recipients: e-mail addresses, names of owners, or `owner`.")
    on_success: list[str] = Field([], description="Recipients: e-mail addresses, names of owners, or `owner`.")
    on_late: list[str] = Field([], description="Recipients when it is late or takes long; `on_failure` when omitted.")
    expected_by: str | None = Field(
        None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="Time of day, in the first trigger's time zone, by which the run of `cron` succeeded; of tables, "
        "one a day.",
        examples=["06:00"],
    )
    longer_than: Duration | None = Field(None, description="Duration of a run beyond which it is reported.")

    @property
    def late_recipients(self) -> list[str]:
        """Who is told when it is late or takes long."""
        return self.on_late or self.on_failure

    @model_validator(mode="after")
    def _tells_somebody(self) -> Notifications:
        if (self.expected_by or self.longer_than) and not self.late_recipients:
            raise ValueError("'expected_by' and 'longer_than' need recipients: add 'on_late' or 'on_failure'")
        return self
