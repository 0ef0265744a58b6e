-- The table that this package writes. It is a contract: before each write the
-- table is compared with it, new columns are added, and anything that would
-- break a reader stops the run.

CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (
  title_id INT NOT NULL COMMENT 'Title that was watched',
  country_code STRING NOT NULL COMMENT 'Country it was watched in, ISO 3166-1 alpha-2',
  title_rank INT COMMENT 'Place among the titles of the country on that day, 1 is the most watched; ties share a place',
  view_hours DOUBLE COMMENT 'Hours watched in the country on that day, rounded to 6 decimals',
  date DATE NOT NULL COMMENT 'Day of viewing, UTC'
)
USING iceberg
PARTITIONED BY (date)
COMMENT 'The 100 most watched titles of each country, per day';
