# The 100 most watched titles of each country on one day.
#
# Dataflow calls `main` with the parameters of the definition. Without it, the
# same file runs in R, from its own folder, and takes them as arguments:
#
#   Rscript sparklyr_write.R EXECUTION_DATE=2026-01-31 \
#     SOURCE_TABLE=... TARGET_TABLE=...

library(dplyr, warn.conflicts = FALSE)
library(sparklyr, warn.conflicts = FALSE)

source("tables.R")
source("viewing.R")

# Computes the day EXECUTION_DATE of SOURCE_TABLE and writes it to TARGET_TABLE.
main <- function(args, spark) {
  day <- as.Date(args$EXECUTION_DATE)
  read_source_table(spark, args$SOURCE_TABLE, day) |>
    viewing_by_title_country() |>
    add_title_rank() |>
    keep_top_titles() |>
    write_viewing(args$TARGET_TABLE, day)
}

# Only when Rscript runs this file, not when something sources it.
if (sys.nframe() == 0L) {
  arguments <- commandArgs(trailingOnly = TRUE)
  args <- as.list(sub("^[^=]*=", "", arguments))
  names(args) <- sub("=.*", "", arguments)
  main(args, spark_connect(master = "local"))
}
