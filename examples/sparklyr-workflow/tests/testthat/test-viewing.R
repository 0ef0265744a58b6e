# Each step on a handful of rows, then all of them on the mocks: without Spark.

source(file.path(src, "viewing.R"))

viewing <- function(title_id, country_code, view_hours) {
  tibble(title_id, country_code, view_hours)
}

test_that("hours are summed per title and country", {
  source <- viewing(
    c(1L, 1L, 1L, 2L), c("US", "US", "BR", "US"), c(1.5, 2, 4, 8)
  )

  summed <- viewing_by_title_country(source) |> arrange(title_id, country_code)

  expect_equal(
    summed, viewing(c(1L, 1L, 2L), c("BR", "US", "US"), c(4, 3.5, 8))
  )
})

test_that("sums are rounded to six decimals", {
  source <- viewing(c(1L, 1L), "US", c(0.1234564, 0.0000002))

  expect_identical(viewing_by_title_country(source)$view_hours, 0.123457)
})

test_that("without a title or hours a row does not count", {
  source <- viewing(c(NA, 1L, 1L), "US", c(8, 0, -1))

  expect_equal(nrow(viewing_by_title_country(source)), 0)
})

test_that("equal hours share a rank and the next is skipped", {
  hours <- viewing(c(1:4, 1L), c(rep("US", 4), "BR"), c(4, 9, 4, 1, 1))

  expect_equal(add_title_rank(hours)$title_rank, c(2, 1, 2, 4, 1))
})

test_that("ranks after the hundredth are left out", {
  ranked <- tibble(title_rank = c(99L, 100L, 101L))

  expect_equal(keep_top_titles(ranked)$title_rank, c(99, 100))
})

test_that("the top titles of each day are the expected ones", {
  source <- read_mock(source_mock)

  top_titles <- lapply(days, function(day) {
    source |>
      filter(date == as.Date(day)) |>
      viewing_by_title_country() |>
      add_title_rank() |>
      keep_top_titles() |>
      transmute(
        title_id, country_code, title_rank, view_hours,
        date = as.Date(day)
      )
  })

  expect_rows(bind_rows(top_titles), read_mock(expected_mock))
})
