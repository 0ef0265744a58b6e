# What is read and what is written: all that needs Spark.

# Reads what was played on one day.
read_source_table <- function(spark, table, day) {
  # as.Date() goes into the query: without it, SQL would see a string.
  tbl(spark, I(table)) |> filter(date == as.Date(day))
}

# Replaces one day of a table, however often it runs.
write_viewing <- function(viewing, table, day) {
  viewing |>
    mutate(date = as.Date(day)) |>
    # In the table's order: rows are inserted by position, not by name.
    select(title_id, country_code, title_rank, view_hours, date) |>
    # One file per day, rather than one per task.
    sdf_repartition(partition_by = "date") |>
    # "dynamic" replaces only the days that are written, not the whole table.
    spark_insert_table(
      table,
      overwrite = TRUE,
      options = list("overwrite-mode" = "dynamic")
    )
}
