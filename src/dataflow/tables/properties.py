"""The names of the properties that Dataflow keeps with tables, and with the snapshots that its runs publish."""

from __future__ import annotations

# Whose a table is, and what it says of itself.
PACKAGE = "dataflow.package"
PACKAGE_ID = "dataflow.package-id"
OWNER = "dataflow.owner"  # `owner` itself is reserved by Iceberg
TAGS = "dataflow.tags"
LIFETIME_DAYS = "dataflow.lifetime-days"
PRIMARY_KEY = "dataflow.primary-key"
PERSONAL_DATA = "dataflow.personal-data"
DEMO = "dataflow.demo"
FILE_SIZE = "dataflow.file-size"
DISTRIBUTED = "dataflow.distribution"
"""The target size of files and the distribution that a run chose, so that they are told from what somebody set."""

# Columns of a migration.
MOVING_COLUMNS = "dataflow.moving-columns"
"""New columns by the old ones, as JSON; null for one that goes."""
RETIRED_COLUMN = "dataflow.retired-column."
"""Followed by the name of a column that a migration took away."""

# The high-water mark.
HWM = "dataflow.hwm"
HWM_TIMEZONE = "dataflow.hwm.timezone"
HWM_SOURCES = "dataflow.hwm.sources"
HWM_AHEAD = "dataflow.hwm.ahead"
HWM_LATER = "dataflow.hwm.later"
HWM_FIRST = "dataflow.hwm.first"
HWM_ITEMS = "dataflow.hwm.items"

# Of a snapshot: what published it.
RUN_ID = "dataflow.run-id"
WORKFLOW = "dataflow.workflow"
STEP = "dataflow.step"
BUNDLE = "dataflow.bundle"
PARTITION = "dataflow.partition"
DAY = "dataflow.day"
OUTCOME = "dataflow.outcome"
ROWS = "dataflow.rows"
AUDITS = "dataflow.audits"
SOURCES = "dataflow.sources"
PART = "dataflow.part"
"""Of which run's template, where its phases are processes of their own."""

# Of a snapshot: that maintenance made it, and how.
MAINTENANCE = "dataflow.maintenance"
"""`lifetime`, `compaction` or `manifests`: no reader has to look at it, and a rollback goes past it."""

# Of a snapshot: what `table load` put into it.
LOADED = "dataflow.loaded"
"""The checksums of the files, separated by blanks."""
LOAD_MODE = "dataflow.load-mode"
"""`replace` where the rows took the place of all others."""
