# Renders the sparklyr recipe's own dplyr steps as Spark SQL, for where sparklyr is not installed.
#
#   Rscript render.R PACKAGE/src > write.sql

suppressPackageStartupMessages({
  library(dplyr)
  library(dbplyr)
})

source(file.path(commandArgs(trailingOnly = TRUE), "viewing.R"))

columns <- list(title_id = 1L, country_code = "", view_hours = 1, date = "")
source_table <- tbl_lazy(columns, con = simulate_hive(), name = "${SOURCE_TABLE}")

viewing <- source_table |>
  filter(date == as.Date("${EXECUTION_DATE}")) |>
  viewing_by_title_country() |>
  add_title_rank() |>
  keep_top_titles() |>
  select(title_id, country_code, title_rank, view_hours)

cat("INSERT OVERWRITE ${TARGET_TABLE} PARTITION (date = DATE '${EXECUTION_DATE}')\n")
# Without the quotes that would make one name of database and table.
cat(gsub("`${SOURCE_TABLE}`", "${SOURCE_TABLE}", sql_render(viewing), fixed = TRUE), "\n", sep = "")
