# The transformation: from what was played to the top titles of each country.
#
# Each step takes a table and returns one, whatever the table is: a data frame
# in a test, a Spark table in production.

top <- 100L

# Sums the hours watched per title and country.
#
# Rows without a title, or without hours, are players that were opened and left.
viewing_by_title_country <- function(source) {
  source |>
    filter(!is.na(title_id), view_hours > 0) |>
    group_by(title_id, country_code) |>
    # A sum of doubles depends on the order of summation, which differs from
    # run to run. Rounding makes equal sums equal, so that ties stay ties.
    summarise(
      view_hours = round(sum(view_hours, na.rm = TRUE), 6),
      .groups = "drop"
    )
}

# Ranks the titles of each country, most watched first.
#
# Titles with equal hours share a rank, and the next is skipped: 1, 2, 2, 4.
add_title_rank <- function(viewing) {
  viewing |>
    group_by(country_code) |>
    mutate(title_rank = min_rank(-view_hours)) |>
    ungroup()
}

# Keeps the best ranks: more than 100 rows where titles share the last one.
keep_top_titles <- function(ranked) {
  ranked |> filter(title_rank <= top)
}
