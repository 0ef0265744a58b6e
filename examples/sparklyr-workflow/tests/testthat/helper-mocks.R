# Loaded before the tests: reads mocks, and compares tables.

suppressPackageStartupMessages(library(dplyr))

src <- test_path("../../src")
source_mock <- file.path(src, "mocks/dataflow_demo.playback.yaml")
expected_mock <- file.path(src, "mocks/dataflow_sparklyr_sample.yaml")
days <- c("2026-01-30", "2026-01-31")

# Reads a mock into a data frame, its columns of the types that it declares.
read_mock <- function(path) {
  mock <- yaml::yaml.load_file(path)
  columns <- lapply(seq_along(mock$columns), function(i) {
    as_column(lapply(mock$rows, `[[`, i), mock$columns[[i]])
  })
  as_tibble(setNames(columns, names(mock$columns)))
}

as_column <- function(values, type) {
  values[vapply(values, is.null, logical(1))] <- NA
  values <- unlist(values)
  switch(type,
    int = as.integer(values),
    bigint = ,
    double = as.numeric(values),
    date = as.Date(values),
    timestamp = as.POSIXct(values, tz = "UTC"),
    string = as.character(values),
    stop("read_mock() has no R type for ", type)
  )
}

# Expects the same rows in any order, and hours equal to nine digits.
expect_rows <- function(actual, expected) {
  actual <- arrange(actual, date, country_code, title_id)
  expected <- arrange(expected, date, country_code, title_id)
  hours <- actual$view_hours
  expect_equal(names(actual), names(expected))
  expect_equal(
    select(actual, -view_hours), select(expected, -view_hours),
    ignore_attr = TRUE
  )
  expect_true(all(abs(hours / expected$view_hours - 1) <= 1e-9))
}
