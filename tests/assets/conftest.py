from __future__ import annotations

import pytest

from dataflow.assets.registry import Registry


@pytest.fixture(params=["file", "s3"])
def registry(request, tmp_path):
    """Return an empty registry: once on the local disk, once on S3."""
    if request.param == "file":
        return Registry((tmp_path / "registry").as_uri())
    return Registry(request.getfixturevalue("s3_address"))
