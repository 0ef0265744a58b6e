-- The 100 most watched titles of each country on one day.
--
-- Dataflow fills in the parameters. Without it, the same file runs in Spark:
--   spark-sql --hivevar SOURCE_TABLE=db.source --hivevar TARGET_TABLE=db.target \
--             --hivevar EXECUTION_DATE=2026-01-31 -f sparksql_write.sql

-- Replaces the one day that it names, however often it runs. Columns go where
-- their names say, whatever their order here.
INSERT OVERWRITE ${TARGET_TABLE} PARTITION (date = DATE '${EXECUTION_DATE}') BY NAME
WITH viewing AS (
  -- Hours per title and country. Rows without a title, or without hours, are
  -- players that were opened and left.
  SELECT
    title_id,
    country_code,
    -- A sum of doubles depends on the order of summation, which differs from
    -- run to run. Rounding makes equal sums equal, so that ties stay ties.
    ROUND(SUM(view_hours), 6) AS view_hours
  FROM ${SOURCE_TABLE}
  WHERE date = DATE '${EXECUTION_DATE}'
    AND title_id IS NOT NULL
    AND view_hours > 0
  GROUP BY title_id, country_code
),

ranked AS (
  -- Most watched first. Titles with equal hours share a rank, and the next
  -- rank is skipped: 1, 2, 2, 4.
  SELECT
    title_id,
    country_code,
    RANK() OVER (PARTITION BY country_code ORDER BY view_hours DESC) AS title_rank,
    view_hours
  FROM viewing
),

final AS (
  -- More than 100 rows where several titles share the last rank.
  SELECT
    title_id,
    country_code,
    title_rank,
    view_hours
  FROM ranked
  WHERE title_rank <= 100
)

SELECT
  title_id,
  country_code,
  title_rank,
  view_hours
FROM final;
