# What is asked of Spark, told by stand-ins that note what they are given.

noted <- list()

tbl <- function(src, from, ...) {
  noted$table <<- from
  read_mock(source_mock)
}

sdf_repartition <- function(x, ...) {
  x
}

spark_dataframe <- function(x) {
  noted <<- list(rows = x)
}

invoke <- function(jobj, method, ...) {
  force(jobj)
  noted$calls <<- c(noted$calls, paste(c(method, ...), collapse = " "))
}

source(file.path(src, "tables.R"), local = TRUE)

test_that("one day of the source is read", {
  played <- read_source_table("spark", "db.played", as.Date("2026-01-30"))

  expect_equal(as.character(noted$table), "db.played")
  expect_equal(unique(played$date), as.Date("2026-01-30"))
})

test_that("a day is written by its columns' names, and only it is replaced", {
  day <- as.Date("2026-01-31")
  expected <- read_mock(expected_mock) |> filter(date == day)

  expected |>
    select(view_hours, title_rank, title_id, country_code) |>
    write_viewing("db.results", day)

  expect_equal(noted$calls, c("writeTo db.results", "overwritePartitions"))
  expect_rows(noted$rows[names(expected)], expected)
})
