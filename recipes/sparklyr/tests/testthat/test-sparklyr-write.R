# The whole script on Spark, on tables made of mocks.

skip_if_not_installed("sparklyr")
skip_if(
  Sys.getenv("SPARK_HOME") == "" &&
    nrow(sparklyr::spark_installed_versions()) == 0,
  "there is no Spark: set SPARK_HOME, or call sparklyr::spark_install()"
)

source(file.path(src, "sparklyr_write.R"), chdir = TRUE)

spark <- spark_connect(
  master = "local",
  config = list(
    sparklyr.connect.enablehivesupport = FALSE,
    sparklyr.shell.conf = c(
      paste0("spark.sql.warehouse.dir=", tempfile("warehouse")),
      "spark.sql.shuffle.partitions=1",
      # What "overwrite-mode" in tables.R says to Iceberg, said to Parquet.
      "spark.sql.sources.partitionOverwriteMode=dynamic"
    )
  )
)

# The table of the DDL, in a format that Spark has by itself.
create_results <- function(table) {
  ddl <- readLines(results_ddl)
  ddl <- paste(ddl, collapse = "\n")
  ddl <- sub("${TARGET_TABLE}", table, ddl, fixed = TRUE)
  ddl <- sub("USING iceberg", "USING parquet", ddl, fixed = TRUE)
  DBI::dbExecute(spark, sub(";\\s*$", "", ddl))
}

test_that("days are written side by side, and again without a change", {
  copy_to(spark, read_mock(source_mock), "played")
  create_results("results")

  for (day in c(days, days)) {
    args <- list(
      EXECUTION_DATE = day, SOURCE_TABLE = "played", TARGET_TABLE = "results"
    )
    main(args, spark)
  }

  expect_rows(collect(tbl(spark, "results")), read_mock(expected_mock))
})

spark_disconnect(spark)
