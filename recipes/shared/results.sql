{% set during = 'on that day' if cadence == 'daily' else 'in that ' ~ unit %}
{% set meaning = {
  'hourly': 'Hour of viewing, as its beginning',
  'daily': 'Day of viewing, UTC',
  'weekly': 'Week of viewing, as its Monday, UTC',
  'monthly': 'Month of viewing, as its first day, UTC',
}[cadence] %}
-- The table that this package writes. It is a contract: before each write the
-- table is compared with it, new columns are added, and anything that would
-- break a reader stops the run.

CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (
  title_id INT{{ ' NOT NULL' if layout > 1 }} COMMENT 'Title that was watched',
  country_code STRING{{ ' NOT NULL' if layout > 1 }} COMMENT 'Country it was watched in, ISO 3166-1 alpha-2',
  title_rank INT COMMENT 'Place among the titles of the country {{ during }}, 1 is the most watched; ties share a place',
  view_hours DOUBLE COMMENT 'Hours watched in the country {{ during }}, rounded to 6 decimals',
  {{ column }} {{ 'TIMESTAMP' if cadence == 'hourly' else 'DATE' }}{{ ' NOT NULL' if layout > 1 }} COMMENT '{{ meaning }}'
)
USING iceberg
PARTITIONED BY ({{ column }})
COMMENT 'The 100 most watched titles of each country, per {{ unit }}'{{ ';' if layout > 1 }}
{% if layout == 1 %}
TBLPROPERTIES (
  -- Lets a day be written and audited on a branch before readers see it.
  'write.wap.enabled' = 'true',
  -- Days of a backfill are published side by side and may have to queue.
  'commit.retry.num-retries' = '40'
);
{% endif %}
