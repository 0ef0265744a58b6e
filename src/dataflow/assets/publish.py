"""Publishing: an artifact gets its id, or the id that the same inputs got before.

Written in this order, so that a kill in between leaves nothing that misleads: the object; which object these inputs
make (`inputs/<hash>.json`); the numbered entry, which is the moment it is published; and which number these inputs
have on this branch (`<series>/of/…`), which can be found out again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.assets.ids import AssetId
from dataflow.workflow.identity import current_user

if TYPE_CHECKING:
    from dataflow.assets.builders.base import Artifact
    from dataflow.assets.discover import Asset
    from dataflow.assets.inputs import Inputs
    from dataflow.assets.registry import Registry
    from dataflow.repository.checkout import Checkout


@dataclass(frozen=True)
class Pin:
    """A published build: which, and the bytes it stands for.

    Attributes:
        id: Its id.
        sha256: The checksum of its artifact, under which the registry has it.
        name: What the artifact's file is called.
        size: Its size in bytes.
        inputs: The checksum of what it was built from.
        lock: The checksum of a wheel's lock, which the registry has as well.
        python: The Python version that the lock was made for.
    """

    id: AssetId
    sha256: str
    name: str
    size: int
    inputs: str
    lock: str | None = None
    python: str | None = None

    @property
    def pointer(self) -> str:
        """The build and its checksum in one word, as rendered definitions have it."""
        return f"{self.id}#sha256:{self.sha256}"

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Pin:
        """Read an entry of the registry."""
        made = entry["artifact"]
        return cls(
            AssetId.parse(entry["id"]),
            made["sha256"],
            made["name"],
            made["size"],
            entry["inputs"],
            made.get("lock"),
            made.get("python"),
        )


def published(registry: Registry, asset: Asset, checkout: Checkout, inputs: Inputs) -> Pin | None:
    """Return the build that these inputs have on this branch; None when they have none yet.

    What is clean uses a clean build only: production never runs what no commit holds.
    """
    return _published(registry, _id(asset, checkout, inputs, 0).series, checkout, inputs)[0]


def publish(
    registry: Registry, asset: Asset, checkout: Checkout, inputs: Inputs, make: Callable[[], Artifact]
) -> tuple[Pin, bool]:
    """Publish an asset, unless the same inputs were published on this branch before.

    Args:
        registry: Where to.
        asset: Which.
        checkout: Whose, on which branch, at which commit.
        inputs: What it is made of.
        make: Builds it; not called when these inputs were built before, on whatever branch.

    Returns:
        The build, and whether it is a new one.
    """
    series = _id(asset, checkout, inputs, 0).series
    pin, seen = _published(registry, series, checkout, inputs)
    if pin is not None and _is_complete(registry, pin.sha256, pin.lock):
        return pin, False
    artifact = _known(registry, inputs) or _keep(registry, inputs, make())
    if pin is not None and (artifact["sha256"], artifact.get("lock")) == (pin.sha256, pin.lock):
        return pin, False  # somebody had removed the object: here it is again
    try:
        _, entry = registry.append(series, _entries(registry, asset, checkout, inputs, artifact, seen))
    except _PublishedMeanwhile as found:
        return found.pin, False
    pin = Pin.of(entry)
    kind = "clean" if checkout.is_clean else "dirty"
    registry.write_once(_note(pin.id.series, inputs, kind), {"build": pin.id.build})
    return pin, True


class _PublishedMeanwhile(Exception):
    """Another process published the same inputs first."""

    def __init__(self, pin: Pin) -> None:
        super().__init__(str(pin.id))
        self.pin = pin


def _published(registry: Registry, series: str, checkout: Checkout, inputs: Inputs) -> tuple[Pin | None, int]:
    """Return the build that these inputs have, and the number up to which builds were looked at."""
    for kind in ("clean",) if checkout.is_clean else ("clean", "dirty"):
        if note := registry.note(_note(series, inputs, kind)):
            return Pin.of(registry.entry(series, note["build"])), note["build"]
    newest = registry.latest(series)  # whoever wrote it may have been killed before its note, or is about to write it
    return (_same(newest[1], checkout, inputs), newest[0]) if newest else (None, 0)


def _entries(
    registry: Registry,
    asset: Asset,
    checkout: Checkout,
    inputs: Inputs,
    artifact: Mapping[str, Any],
    seen: int,
) -> Callable[[int], dict[str, Any]]:
    """Return what makes an entry; `seen` is the number up to which no build has these inputs."""
    looked_at = seen

    def entry(number: int) -> dict[str, Any]:
        nonlocal looked_at
        id_ = _id(asset, checkout, inputs, number)
        for other in range(looked_at + 1, number):  # given to others since then
            pin = _same(registry.entry(id_.series, other), checkout, inputs)
            if pin is not None and _is_complete(registry, pin.sha256, pin.lock):
                raise _PublishedMeanwhile(pin)
        looked_at = number - 1
        return {
            "id": str(id_),
            "inputs": inputs.sha256,
            "toolchain": dict(inputs.toolchain),
            "artifact": dict(artifact),
            "commit": checkout.commit,
            "by": current_user(),
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        }

    return entry


def _same(entry: Mapping[str, Any], checkout: Checkout, inputs: Inputs) -> Pin | None:
    pin = Pin.of(entry)
    return pin if pin.inputs == inputs.sha256 and (pin.id.is_clean or not checkout.is_clean) else None


def _known(registry: Registry, inputs: Inputs) -> dict[str, Any] | None:
    """Return what these inputs made, on whatever branch, where the registry still has it."""
    made = registry.note(f"inputs/{inputs.sha256}")
    return made if made is not None and _is_complete(registry, made["sha256"], made.get("lock")) else None


def _keep(registry: Registry, inputs: Inputs, artifact: Artifact) -> dict[str, Any]:
    made: dict[str, Any] = {
        "sha256": registry.put(artifact.path),
        "name": artifact.path.name,
        "size": artifact.path.stat().st_size,
    }
    if artifact.lock is not None:
        made |= {"lock": registry.put(artifact.lock.encode()), "python": artifact.python}
    if registry.write_once(f"inputs/{inputs.sha256}", made):
        return made
    return _known(registry, inputs) or made  # another process built the same at the same time: one of both counts


def _is_complete(registry: Registry, sha256: str, lock: str | None) -> bool:
    return registry.has(sha256) and (lock is None or registry.has(lock))


def _note(series: str, inputs: Inputs, kind: str) -> str:
    return f"{series}/of/{kind}-{inputs.sha256}"


def _id(asset: Asset, checkout: Checkout, inputs: Inputs, build: int) -> AssetId:
    commit = checkout.version(inputs.sha256)
    return AssetId(asset.type, asset.namespace, checkout.owner, checkout.repo, checkout.branch, commit, build)
