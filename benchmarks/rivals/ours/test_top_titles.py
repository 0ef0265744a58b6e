"""The ten tests of `../chispa`, with Dataflow's fixtures: mocks as tables, rows compared."""

import datetime as dt

import pytest
from pyspark.sql import DataFrame

from dataflow.testing import Dataflow

DAYS = [dt.date(2026, 1, day) for day in range(1, 11)]
TOP_TITLES = """
WITH viewing AS (
  SELECT title_id, country_code, ROUND(SUM(view_hours), 6) AS view_hours
  FROM {playback}
  WHERE date = DATE '{day}' AND title_id IS NOT NULL AND view_hours > 0
  GROUP BY title_id, country_code
),

ranked AS (
  SELECT
    title_id, country_code, RANK() OVER (PARTITION BY country_code ORDER BY view_hours DESC) AS title_rank, view_hours
  FROM viewing
)

SELECT title_id, country_code, title_rank, view_hours FROM ranked WHERE title_rank <= 100
"""


def top_titles(dataflow: Dataflow, playback: str, day: dt.date) -> DataFrame:
    return dataflow.spark.sql(TOP_TITLES.format(playback=playback, day=day))


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_titles_are_ranked_by_the_hours_of_a_day(dataflow: Dataflow, day: dt.date) -> None:
    playback = dataflow.mock("mocks/playback.yaml")

    actual = top_titles(dataflow, playback, day)

    hours = day.day + 1.0
    dataflow.assert_rows(
        actual,
        [
            {"title_id": 1, "country_code": "US", "title_rank": 1, "view_hours": hours},
            {"title_id": 2, "country_code": "US", "title_rank": 1, "view_hours": hours},
            {"title_id": 3, "country_code": "US", "title_rank": 3, "view_hours": 0.5},
            {"title_id": 5, "country_code": "BR", "title_rank": 1, "view_hours": 2.5},
        ],
    )
