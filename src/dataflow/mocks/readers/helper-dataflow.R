# Loaded before the tests: reads mocks, small tables that are kept as YAML.
# Any command of Dataflow writes this file anew; who takes its line out of
# .gitignore keeps it.

# Reads a mock into a data frame, its columns of the types that it declares.
# Arrays and maps become vectors in a list, structs lists in a list.
read_mock <- function(path) {
  mock <- yaml::yaml.load_file(path, handlers = as_written)
  names <- names(mock$columns)
  columns <- lapply(names, function(name) {
    tryCatch(
      as_column(lapply(mock$rows, cell_of, name, names), mock$columns[[name]]),
      error = function(e) {
        stop(path, ": ", name, ": ", conditionMessage(e), call. = FALSE)
      }
    )
  })
  tibble::as_tibble(setNames(columns, names))
}

# To R's reader of YAML, NO is false and 12:30 is 750. Here each value stays as
# it is written, with a note on what stands without quotes and is no text.
as_written <- c(
  list(seq = identity),
  sapply(
    c(
      "bool#yes", "bool#no", "int", "int#hex", "int#oct", "int#base60",
      "float#fix", "float#exp", "float#base60", "float#nan", "float#inf",
      "float#neginf", "timestamp#iso8601", "timestamp#spaced", "timestamp#ymd"
    ),
    function(kind) function(text) structure(text, class = "unquoted")
  )
)

# A row is a list in the order of the columns, or a mapping by column.
cell_of <- function(row, name, names) {
  if (is.null(names(row)) && length(row) != length(names)) {
    stop(length(row), " values for ", length(names), " columns")
  }
  check_names(row, names)
  if (is.null(names(row))) row[[match(name, names)]] else row[[name]]
}

check_names <- function(value, names) {
  unknown <- setdiff(names(value), names)
  if (length(unknown) > 0) stop("there is no ", unknown[[1]])
}

as_column <- function(values, type) {
  kind <- sub("[<(].*", "", type)
  if (kind %in% c("array", "map", "struct")) {
    return(lapply(values, as_nested, kind, inner_types(type)))
  }
  if (is.null(readers[[kind]])) stop("R has no type for ", type)
  texts <- vapply(values, as_text, "", kind)
  column <- suppressWarnings(readers[[kind]](texts))
  wrong <- !is.na(texts) & is.na(column) & texts != ".nan"
  if (any(wrong)) stop(texts[wrong][[1]], " is no ", type, " that R can hold")
  column
}

as_nested <- function(value, kind, types) {
  if (is.null(value)) {
    return(NULL)
  }
  if (kind == "struct") {
    names <- sub("^`?([^:`]+)`?\\s*:.*", "\\1", types)
    check_names(value, names)
    fields <- lapply(seq_along(types), function(i) {
      type <- sub("^`?[^:`]+`?\\s*:\\s*", "", types[[i]])
      as_column(list(value[[names[[i]]]]), type)[[1]]
    })
    return(setNames(fields, names))
  }
  setNames(as_column(unname(value), types[[length(types)]]), names(value))
}

# The parts of map<string,array<int>>: what stands in the outermost brackets,
# cut at the commas that stand in none of their own.
inner_types <- function(type) {
  inside <- sub("^[a-z]+<(.*)>$", "\\1", type)
  letters <- strsplit(inside, "")[[1]]
  depth <- cumsum((letters %in% c("<", "(")) - (letters %in% c(">", ")")))
  cuts <- which(letters == "," & depth == 0)
  trimws(substring(inside, c(1, cuts + 1), c(cuts - 1, nchar(inside))))
}

plain_number <- paste0(
  "^-?(0|[1-9][0-9]*)([.][0-9]+([eE][-+][0-9]+)?)?$", "|^-?[.]inf$|^[.]nan$"
)

# Numbers and booleans stand without quotes, all else in them.
as_text <- function(value, kind) {
  if (is.null(value)) {
    return(NA_character_)
  }
  bare <- inherits(value, "unquoted")
  if (kind != "decimal" && bare != (kind %in% c("boolean", names(numbers)))) {
    stop(value, if (bare) " needs quotes" else " can't stand for a ", kind)
  }
  if (kind %in% names(numbers) && !grepl(plain_number, value)) {
    stop(value, " is not written as all readers of YAML take it")
  }
  as.character(value)
}

# Columns of each type from what is written. What R can't hold becomes NA.
whole <- function(texts, largest) {
  numbers <- as.numeric(texts)
  ifelse(grepl("^-?[0-9]+$", texts) & abs(numbers) <= largest, numbers, NA)
}

as_double <- function(texts) as.numeric(sub("^(-?)[.]", "\\1", texts))

# Beyond 2^53 not every whole number is one of R's.
numbers <- list(
  tinyint = function(texts) as.integer(whole(texts, 128)),
  smallint = function(texts) as.integer(whole(texts, 32768)),
  int = function(texts) as.integer(whole(texts, 2147483647)),
  bigint = function(texts) whole(texts, 2^53 - 1),
  float = as_double,
  double = as_double,
  decimal = as_double
)

readers <- c(numbers, list(
  boolean = function(texts) unname(c(true = TRUE, false = FALSE)[texts]),
  string = identity,
  date = function(texts) as.Date(texts, format = "%Y-%m-%d"),
  timestamp = function(texts) as_moment(texts),
  timestamp_ntz = function(texts) {
    as_moment(ifelse(grepl("(Z|[-+][0-9]{2}:[0-9]{2})$", texts), NA, texts))
  },
  binary = function(texts) lapply(texts, as_bytes)
))

# A moment without a time zone is one in UTC.
as_moment <- function(texts) {
  texts <- sub("T", " ", texts)
  moment <- sub("^(\\S+ [0-9:.]+).*", "\\1", texts)
  zone <- sub(":", "", substring(texts, nchar(moment) + 1))
  zone[zone %in% c("", "Z")] <- "+0000"
  seconds <- ifelse(grepl(":[0-9]+:", moment), "", ":00")
  as.POSIXct(
    paste0(moment, seconds, zone),
    format = "%Y-%m-%d %H:%M:%OS%z", tz = "UTC"
  )
}

as_bytes <- function(text) {
  if (is.na(text)) {
    return(NULL)
  }
  if (!grepl("^([0-9a-fA-F]{2})*$", text)) {
    return(NA)
  }
  pairs <- regmatches(text, gregexpr("..", text))[[1]]
  as.raw(strtoi(pairs, base = 16L))
}
