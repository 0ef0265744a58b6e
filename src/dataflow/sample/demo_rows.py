"""What the rows of the demo source are: its tables' DDL, and the SQL that draws them from hashes."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

from dataflow.tables.iceberg import COMMIT_RETRIES
from dataflow.tables.properties import DEMO
from dataflow.tables.quoting import text
from dataflow.workflow.periods import DAY, HOUR, Cadence

TABLE = "dataflow_demo.playback"
TABLE_BY_HOUR = "dataflow_demo.playback_by_hour"
TABLES = (TABLE, TABLE_BY_HOUR)
ROWS_PER_FILE = 10_000_000  # files of about 128 MB

_TITLES = 20_000

# The members of the United Nations by ISO 3166-1 alpha-2 code: the largest audiences first, then by the alphabet.
_COUNTRIES = (
    "US IN BR GB DE JP FR MX KR CA IT ES AU ID TR PH PL AR NL CO TH SA ZA EG VN SE BE CL MY NG PE RO CZ PT GR HU "
    "AE CH AT DK NO FI IE IL NZ SG AD AF AG AL AM AO AZ BA BB BD BF BG BH BI BJ BN BO BS BT BW BY BZ CD CF CG CI "
    "CM CN CR CU CV CY DJ DM DO DZ EC EE ER ET FJ FM GA GD GE GH GM GN GQ GT GW GY HN HR HT IQ IR IS JM JO KE KG "
    "KH KI KM KN KP KW KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MG MH MK ML MM MN MR MT MU MV MW MZ NA NE "
    "NI NP NR OM PA PG PK PW PY QA RS RU RW SB SC SD SI SK SL SM SN SO SR SS ST SV SY SZ TD TG TJ TL TM TN TO TT "
    "TV TZ UA UG UY UZ VC VE VU WS YE ZM ZW"
)

_DDL = """
CREATE TABLE IF NOT EXISTS {table} (
  profile_id BIGINT COMMENT 'Who watched; a profile belongs to one country',
  title_id INT COMMENT 'What was watched; null where a player was opened and nothing chosen',
  country_code STRING COMMENT 'Where, ISO 3166-1 alpha-2',
  view_hours DOUBLE COMMENT 'For how long; zero where nothing was watched, negative where an earlier row is corrected',
  received_at TIMESTAMP COMMENT 'When the row arrived, which may be days after the viewing',
  {column}
)
USING iceberg
PARTITIONED BY ({by})
COMMENT 'Demo data, made up: who watched what, where and for how long'
TBLPROPERTIES ('{demo}' = 'true', 'commit.retry.num-retries' = '{retries}')
"""

# Of each thousand rows ten have no title, twenty no hours, five negative ones, and twenty are late.
_ROWS = """
WITH numbered AS (
  SELECT element_at(array({dates}), CAST(id DIV {rows} AS INT) + 1) AS date, id % {rows} AS number
  FROM range(0, {total}, 1, {tasks})
),
drawn AS (
  SELECT
    date,
    number,
    number % 1000 AS quirk,
    pmod(xxhash64(date, number, 'profile'), {profiles}) AS profile,
    CAST(exp({title_draw} * ln({titles}D)) AS BIGINT) AS title_rank,
    {hours_draw} AS hours_draw,
    pmod(xxhash64(date, number, 'time'), {seconds}) AS second
  FROM numbered
),
placed AS (
  SELECT *, CAST({countries} * pow({country_draw}, 1.5D) AS INT) AS country FROM drawn
)
SELECT
  1000000 + profile AS profile_id,
  -- The n-th title has 1/n of the first one's viewers (Zipf). Half of the viewers choose by an order that is their
  -- country's own. The prime scatters neighbours in popularity over the ids.
  IF(
    quirk < 10,
    NULL,
    CAST(1 + (7919 * title_rank + IF(number % 2 = 0, 101 * country, 0)) % {titles} AS INT)
  ) AS title_id,
  element_at(split({codes}, ' '), country + 1) AS country_code,
  CASE
    WHEN quirk BETWEEN 10 AND 29 THEN 0D
    WHEN quirk BETWEEN 30 AND 34 THEN -1D
    ELSE 1D
  END * CAST(1 - 2400 * ln(1 - hours_draw) AS INT) / 3600 AS view_hours,
  timestamp_seconds(
    {start} + second + IF(quirk BETWEEN 40 AND 59, 86400 * (1 + number % 3), 0)
  ) AS received_at,
  {played}
FROM placed
"""


@dataclass(frozen=True)
class Grain:
    """What differs between the table by the day and that by the hour.

    Attributes:
        table: The table.
        cadence: What a partition is.
        column: Its column, as its DDL has it.
        by: How it is partitioned.
        start: When a partition begins, in seconds since 1970, as SQL.
        played: The column, as SQL.
    """

    table: str
    cadence: Cadence
    column: str
    by: str
    start: str
    played: str

    @property
    def ddl(self) -> str:
        """The table's CREATE TABLE."""
        return _DDL.format(table=self.table, column=self.column, by=self.by, demo=DEMO, retries=COMMIT_RETRIES)

    @property
    def step(self) -> dt.timedelta:
        """How long a partition is."""
        return HOUR if self.cadence is Cadence.HOURLY else DAY

    def literal(self, begin: dt.date) -> str:
        """Return the beginning of a partition as SQL."""
        hourly = self.cadence is Cadence.HOURLY
        return f"TIMESTAMP '{begin.isoformat()}Z'" if hourly else f"DATE '{begin}'"

    def begin(self, ordinal: int) -> dt.date:
        """Return the beginning of a partition, as Iceberg counts them since 1970."""
        moment = dt.datetime(1970, 1, 1) + ordinal * self.step
        return moment if self.cadence is Cadence.HOURLY else moment.date()


BY_DAY = Grain(
    TABLE, Cadence.DAILY, "date DATE COMMENT 'Day of viewing, UTC'", "date", "86400L * unix_date(date)", "date"
)
BY_HOUR = Grain(
    TABLE_BY_HOUR,
    Cadence.HOURLY,
    "played_at TIMESTAMP COMMENT 'When it was viewed'",
    "hours(played_at)",
    "unix_seconds(date)",
    "timestamp_seconds(unix_seconds(date) + second) AS played_at",
)


def select(grain: Grain, begins: Sequence[dt.date], size: int) -> str:
    """Return the SQL of the rows of some partitions."""
    return _ROWS.format(
        dates=", ".join(map(grain.literal, begins)),
        rows=size,
        total=size * len(begins),
        tasks=math.ceil(size / ROWS_PER_FILE) * len(begins),
        seconds=int(grain.step.total_seconds()),
        start=grain.start,
        played=grain.played,
        profiles=max(1, size // 4),
        titles=_TITLES,
        countries=len(_COUNTRIES.split()),
        codes=text(_COUNTRIES),
        title_draw=_uniform("date, number, 'title'"),
        hours_draw=_uniform("date, number, 'hours'"),
        country_draw=_uniform("profile, 'country'"),
    )


def _uniform(key: str) -> str:
    """Write a number drawn evenly from [0, 1) as SQL: the upper 53 bits of a hash, as a double has them."""
    return f"shiftrightunsigned(xxhash64({key}), 11) * {2.0**-53!r}D"
