# Runs `main(args, spark)` of a script for Dataflow, and notes how it ended.
#
#   Rscript run.R FOLDER
#
# The folder is private to the run. Its job.R says what to run, and is removed
# once it was read, as parameters may be secrets. A file `ended` or `failed` is
# left there: neither of them means that R was ended by something else. `spark`
# holds the process id of Spark's JVM: without it, sparklyr waits for a month.

options(
  keep.source = TRUE, # so that a failure has a file and a line
  warn = 1, # warnings are told when they happen
  sparklyr.simple.errors = TRUE # Spark's message itself, not how to ask for it
)

local({
  folder <- commandArgs(trailingOnly = TRUE)[1]
  job <- dget(file.path(folder, "job.R"))
  unlink(file.path(folder, "job.R"))

  note <- function(name, fields = character()) {
    con <- file(file.path(folder, name), open = "wb")
    on.exit(close(con))
    writeLines(enc2utf8(as.character(fields)), con, useBytes = TRUE)
  }

  # What is called by a call: `f` of f(x) and of pkg::f(x).
  name_of <- function(call) {
    called <- call[[1]]
    if (is.call(called) && as.character(called[[1]]) %in% c("::", ":::")) {
      called <- called[[3]]
    }
    if (is.name(called)) as.character(called) else ""
  }

  # File and lines that a source reference points to, if it is a file's.
  span <- function(srcref) {
    origin <- attr(srcref, "srcfile")
    if (is.null(origin) || !nzchar(origin$filename)) {
      return(NULL)
    }
    path <- origin$filename
    if (!grepl("^(/|[A-Za-z]:)", path)) path <- file.path(origin$wd, path)
    if (!file.exists(path)) {
      return(NULL)
    }
    list(file = normalizePath(path), first = srcref[1], last = srcref[3])
  }

  # The innermost function that a line of a file lies in.
  enclosing <- function(file, line, calls, functions) {
    for (n in rev(seq_along(calls))) {
      at <- span(attr(functions[[n]], "srcref"))
      if (identical(at$file, file) && line %in% at$first:at$last) {
        return(name_of(calls[[n]]))
      }
    }
    ""
  }

  # Whether a call stands somewhere in another one.
  within <- function(call, whole) {
    if (identical(call, whole)) {
      return(TRUE)
    }
    for (part in as.list(whole)) {
      if (!missing(part) && is.call(part) && within(call, part)) {
        return(TRUE)
      }
    }
    FALSE
  }

  # Where the user's code was: file, line, function and the line itself.
  #
  # A source reference spans a statement, which may be a long pipe: of the calls
  # that are written in it, the innermost that was begun says which line it is.
  place <- function(calls, functions) {
    plain <- lapply(calls, `attributes<-`, NULL)
    for (n in rev(seq_along(calls))) {
      at <- span(attr(calls[[n]], "srcref"))
      if (!is.null(at)) {
        later <- plain[n:length(plain)]
        begun <- Filter(function(call) within(call, plain[[n]]), later)
        lines <- readLines(at$file, warn = FALSE)[at$first:at$last]
        called <- name_of(begun[[length(begun)]])
        hit <- grep(paste0(called, "("), lines, fixed = TRUE)
        line <- if (length(hit)) hit[1] else 1
        inside <- enclosing(at$file, at$first, calls, functions)
        return(c(at$file, at$first + line - 1, inside, trimws(lines[line])))
      }
    }
    c("", "", "", "")
  }

  # R's own message tells where a syntax error is.
  place_of_syntax_error <- function(message) {
    pattern <- "^([^\n]+):([0-9]+):[0-9]+: "
    found <- regmatches(message, regexec(pattern, message))[[1]]
    if (length(found) == 0 || !file.exists(found[2])) {
      return(NULL)
    }
    code <- readLines(found[2], warn = FALSE)[as.integer(found[3])]
    code <- if (is.na(code)) "" else trimws(code)
    c(normalizePath(found[2]), found[3], "", code)
  }

  tell_calls <- function(calls) {
    cat("Traceback, the innermost call last:\n", file = stderr())
    for (call in calls) {
      at <- span(attr(call, "srcref"))
      where <- if (!is.null(at)) paste0(basename(at$file), ":", at$first, ": ")
      text <- substr(deparse(call, nlines = 1)[1], 1, 120)
      cat("  ", where, text, "\n", sep = "", file = stderr())
    }
  }

  # Tells that what is printed from now on is not the script's.
  over <- function() cat(folder, "\n", sep = "")

  step <- "source"
  own_frames <- 0

  fail <- function(error) {
    frames <- seq_len(sys.nframe())
    calls <- sys.calls()
    functions <- lapply(frames, sys.function)
    message <- conditionMessage(error)
    at <- NULL
    if (step == "source") at <- place_of_syntax_error(message)
    if (is.null(at)) at <- place(calls, functions)
    note("failed", c(step, at, message))
    over()
    cat("Error: ", message, "\n", sep = "", file = stderr())
    tell_calls(calls[frames > own_frames])
  }

  run <- function() {
    own_frames <<- sys.nframe()
    source(job$script, chdir = TRUE)
    step <<- "find main"
    main <- get0("main", globalenv(), mode = "function", inherits = FALSE)
    if (is.null(main)) stop("there is no main", call. = FALSE)

    step <<- "connect"
    spark <- sparklyr::spark_connect(
      master = job$master,
      app_name = "dataflow",
      config = job$config
    )
    on.exit(try(sparklyr::spark_disconnect(spark), silent = TRUE))

    process <- try(silent = TRUE, sparklyr::invoke_static(
      spark, "org.apache.spark.util.Utils", "getProcessName"
    ))
    if (is.character(process)) note("spark", sub("@.*", "", process))

    step <<- "main"
    main(job$args, spark)
    note("ended")
    over()
  }

  # Of a script that ends R nothing is known; as an error it has a line.
  ends_r <- function(...) {
    stop("the script ends R: let main() return instead", call. = FALSE)
  }
  assign("quit", ends_r, envir = globalenv())
  assign("q", ends_r, envir = globalenv())

  tryCatch(
    withCallingHandlers(run(), error = fail),
    error = function(error) base::quit(save = "no", status = 1)
  )
})
