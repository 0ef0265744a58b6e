# Loaded before the tests: where the mocks are, and how tables are compared.

suppressPackageStartupMessages(library(dplyr))

if (!exists("read_mock")) {
  stop(
    "tests/testthat/helper-dataflow.R is not there, as git ignores it: ",
    "`dataflow workflow validate .` writes it",
    call. = FALSE
  )
}

src <- test_path("../../src")
source_mock <- file.path(src, "mocks/dataflow_demo.playback.yaml")
expected_mock <- file.path(src, "mocks/sparklyr_workflow_results.yaml")
results_ddl <- file.path(src, "../ddl/sparklyr_workflow_results.sql")
days <- c("2026-01-30", "2026-01-31")

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
