"""How two deployed bundles of a package differ: definitions, scripts, schedules, versions, tables and settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.assets.ids import AssetId
from dataflow.deploy.plan.explainer import breaking_changes, text_diff
from dataflow.secret import MASK, names_secret, without_credentials
from dataflow.tables.schema.recorded_schema import schema_changes

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle.manifest import Bundle, EnvironmentSettings, PinnedAsset, RenderedWorkflow


@dataclass(frozen=True)
class TextDiff:
    """How a text differs.

    Attributes:
        name: The file, or the workflow whose definition it is.
        action: `added`, `changed` or `removed`.
        lines: The lines that differ, each behind `+`, `-` or a blank; none of what is added or removed as a whole.
        notes: What else changes: its schedule, what it no longer does.
    """

    name: str
    action: str
    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class AssetVersions:
    """An asset and its versions before and after; None where it is not there.

    Attributes:
        name: Its path in the repository, or its name.
        before: The commit that it was built at, or the beginning of its checksum.
        after: The same of the later one.
    """

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class BundleDiff:
    """How a package differs between two revisions.

    Attributes:
        workflows: Its definitions.
        scripts: The texts of its SQL, Python and R files.
        assets: All that it runs whose version differs.
        tables: How the tables that it makes change, in words.
        settings: How the environment's settings change, in words.
    """

    workflows: tuple[TextDiff, ...] = ()
    scripts: tuple[TextDiff, ...] = ()
    assets: tuple[AssetVersions, ...] = ()
    tables: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


def bundle_diff(registry: Registry, before: Bundle | None, now: Bundle | None) -> BundleDiff:
    """Compare two bundles of a package.

    Args:
        registry: Where the texts of scripts are.
        before: The earlier bundle; None for a package that was added.
        now: The later one; None for a package that was removed.

    Raises:
        DataflowError: A script is missing or corrupted.
    """
    was = {} if before is None else before.workflows
    then = {} if now is None else now.workflows
    tables = schema_changes({} if before is None else before.schemas, {} if now is None else now.schemas)
    old, new = _assets(before), _assets(now)
    return BundleDiff(
        tuple(_workflows(was, then)),
        tuple(_scripts(registry, old, new)),
        tuple(_versions(old, new)),
        tuple(text for text, _ in tables),
        tuple(_settings(before.environment, now.environment)) if before is not None and now is not None else (),
    )


def _workflows(was: Mapping[str, RenderedWorkflow], then: Mapping[str, RenderedWorkflow]) -> Iterator[TextDiff]:
    for file in sorted({*was, *then}):
        old, new = was.get(file), then.get(file)
        if old is None and new is not None:
            yield TextDiff(new.id, "added", notes=tuple(_schedule(None, new)))
        elif new is None and old is not None:
            yield TextDiff(old.id, "removed", notes=tuple(_schedule(old, None)))
        elif old is not None and new is not None and old != new:
            notes = (*_schedule(old, new), *breaking_changes(old, new))
            yield TextDiff(new.id, "changed", tuple(text_diff(old.text, new.text)), notes)


def _schedule(old: RenderedWorkflow | None, new: RenderedWorkflow | None) -> Iterator[str]:
    before, after = (it.schedule.text if it is not None and it.schedule is not None else None for it in (old, new))
    if before != after:
        yield f"schedule: {before or 'none'} → {after or 'none'}"


def _assets(bundle: Bundle | None) -> dict[str, PinnedAsset]:
    """Return the assets of a bundle by what stays the same of their names."""
    return {} if bundle is None else {_name(it): it for it in bundle.assets}


def _name(asset: PinnedAsset) -> str:
    if asset.path is not None:
        return asset.path
    id_ = AssetId.parse(asset.id)
    return f"{id_.type} {id_.namespace}"


def _scripts(registry: Registry, old: Mapping[str, PinnedAsset], new: Mapping[str, PinnedAsset]) -> Iterator[TextDiff]:
    for name in sorted({*old, *new}):
        was, then = old.get(name), new.get(name)
        raw = [it for it in (was, then) if it is not None and it.is_raw]
        if not raw or (was is not None and then is not None and was.sha256 == then.sha256):
            continue
        if was is None or then is None:
            yield TextDiff(name, "removed" if then is None else "added")
        else:
            texts = (registry.get(it.sha256).decode(errors="replace") for it in (was, then))
            yield TextDiff(name, "changed", tuple(text_diff(*texts)))


def _versions(old: Mapping[str, PinnedAsset], new: Mapping[str, PinnedAsset]) -> Iterator[AssetVersions]:
    for name in sorted({*old, *new}):
        was, then = old.get(name), new.get(name)
        if was is None or then is None or was.sha256 != then.sha256:
            yield AssetVersions(name, _version(was), _version(then))


def _version(asset: PinnedAsset | None) -> str | None:
    return None if asset is None else f"{asset.commit[:8]} ({asset.sha256[:8]})"


def _settings(before: EnvironmentSettings, now: EnvironmentSettings) -> Iterator[str]:
    """Yield how settings change; secrets stand in them as `${secret:NAME}`."""
    for part in ("params", "catalog", "spark"):
        was, then = getattr(before, part), getattr(now, part)
        for name in sorted({*was, *then}):
            if was.get(name) != then.get(name):
                values = " → ".join(_setting(name, of.get(name)) for of in (was, then))
                yield f"{part}: {name}: {values}"


def _setting(name: str, value: str | None) -> str:
    if value is None:
        return "none"
    return MASK if names_secret(name) and not value.startswith("${") else without_credentials(value)
