"""What the models of all YAML files are made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """A mapping in which an unknown key is a mistake."""

    # Built when first used: a command that reads no definition doesn't wait for thirty models.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
