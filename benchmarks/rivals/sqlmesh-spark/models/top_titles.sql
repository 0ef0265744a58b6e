MODEL (
  name demo.top_titles,
  kind INCREMENTAL_BY_TIME_RANGE (
    time_column date
  ),
  table_format iceberg,
  partitioned_by (date),
  cron '@daily',
  grain (date, country_code, title_id),
  columns (
    title_id INT,
    country_code STRING,
    title_rank INT,
    view_hours DOUBLE,
    date DATE
  ),
  audits (
    not_null(columns := (title_id, country_code, title_rank, view_hours)),
    unique_combination_of_columns(columns := (date, country_code, title_id)),
    number_of_rows(threshold := 1),
    accepted_range(column := title_rank, min_v := 1, max_v := 100)
  )
);

WITH viewing AS (
  SELECT
    title_id,
    country_code,
    ROUND(SUM(view_hours), 6) AS view_hours,
    date
  FROM dataflow_demo.playback
  WHERE
    date BETWEEN @start_date AND @end_date
    AND title_id IS NOT NULL
    AND view_hours > 0
  GROUP BY title_id, country_code, date
), ranked AS (
  SELECT
    title_id,
    country_code,
    RANK() OVER (PARTITION BY date, country_code ORDER BY view_hours DESC) AS title_rank,
    view_hours,
    date
  FROM viewing
)
SELECT
  title_id,
  country_code,
  title_rank,
  view_hours,
  date
FROM ranked
WHERE
  title_rank <= 100
