# Prints what the sparklyr recipe reads in a mock, a line for each row, in a way that other languages can print too.
#
#   Rscript show.R HELPER MOCK

args <- commandArgs(trailingOnly = TRUE)
source(args[1])

show <- function(value, type) {
  kind <- sub("[<(].*", "", type)
  if (is.null(value)) {
    return("null")
  }
  if (kind == "binary") {
    return(paste(format(value), collapse = ""))
  }
  if (kind == "array") {
    return(sprintf("[%s]", paste(vapply(seq_along(value), function(i) show(value[[i]], inner_types(type)), ""), collapse = ",")))
  }
  if (kind == "map") {
    pairs <- vapply(seq_along(value), function(i) {
      paste0(show(names(value)[[i]], "string"), ":", show(value[[i]], inner_types(type)[[2]]))
    }, "")
    return(sprintf("{%s}", paste(sort(pairs, method = "radix"), collapse = ",")))
  }
  if (kind == "struct") {
    types <- sub("^[^:]+:", "", inner_types(type))
    return(sprintf("(%s)", paste(mapply(show, value, types), collapse = ",")))
  }
  if (is.na(value) && !is.nan(value)) {
    return("null")
  }
  switch(kind,
    string = paste0("'", paste(charToRaw(enc2utf8(value)), collapse = "")),
    boolean = tolower(value),
    date = sprintf("%.0f", as.numeric(value)),
    timestamp = ,
    timestamp_ntz = sprintf("%.0f", round(as.numeric(value) * 1e6)),
    float = tolower(sprintf("%.7g", value)),
    double = tolower(sprintf("%.17g", value)),
    decimal = sprintf("%.15g", value),
    sprintf("%.0f", value)
  )
}

types <- yaml::yaml.load_file(args[2])$columns
mock <- read_mock(args[2])
for (i in seq_len(nrow(mock))) {
  cells <- vapply(names(types), function(name) show(mock[[name]][[i]], types[[name]]), "")
  writeLines(paste(cells, collapse = "\t"))
}
