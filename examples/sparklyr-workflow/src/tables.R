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
    # One file per day, rather than one per task.
    sdf_repartition(partition_by = "date") |>
    # Spark's own writer: columns go where their names say, and only the days
    # that are written are replaced, not the whole table.
    spark_dataframe() |>
    invoke("writeTo", table) |>
    invoke("overwritePartitions")
}
