# What the tests use of sparklyr, for machines that have R and not sparklyr: a
# Spark of its own, started by `spark-submit`, and calls of its objects.
#
# Spark's jars hold the half that R speaks to (org.apache.spark.api.r.RBackend):
# a message is its length and then whether the call is static, the object or the
# class, the method and the arguments; each value has a letter for its type.

put_int <- function(con, value) writeBin(as.integer(value), con, endian = "big")

put_string <- function(con, value) {
  text <- enc2utf8(value)
  put_int(con, nchar(text, "bytes") + 1)
  writeBin(text, con, useBytes = TRUE) # with a zero at its end
}

put <- function(con, value) {
  letter <- function(it) writeBin(charToRaw(it), con)
  if (inherits(value, "spark_jobj")) {
    letter("j")
    put_string(con, value$id)
  } else if (is.character(value)) {
    letter("c")
    put_string(con, value)
  } else if (is.logical(value)) {
    letter("b")
    put_int(con, value)
  } else if (is.integer(value)) {
    letter("i")
    put_int(con, value)
  } else {
    letter("d")
    writeBin(as.double(value), con, endian = "big")
  }
}

take_int <- function(con) {
  readBin(con, integer(), n = 1, endian = "big")
}

take_string <- function(con) {
  rawToChar(readBin(con, raw(), n = take_int(con)))
}

take <- function(sc) {
  con <- sc$con
  letter <- rawToChar(readBin(con, raw(), n = 1))
  switch(letter,
    n = NULL,
    c = take_string(con),
    i = take_int(con),
    b = as.logical(take_int(con)),
    d = readBin(con, double(), n = 1, endian = "big"),
    l = lapply(seq_len(take_int(con)), function(n) take(sc)),
    j = structure(list(id = take_string(con), sc = sc), class = "spark_jobj"),
    stop("a value of Spark's type ", letter, " is not read here")
  )
}

call_java <- function(sc, static, of, method, ...) {
  arguments <- list(...)
  message <- rawConnection(raw(), "r+")
  on.exit(close(message))
  put_int(message, static)
  put_string(message, of)
  put_string(message, method)
  put_int(message, length(arguments))
  for (value in arguments) put(message, value)
  bytes <- rawConnectionValue(message)
  put_int(sc$con, length(bytes))
  writeBin(bytes, sc$con)
  status <- 1
  while (status == 1) status <- take_int(sc$con) # so it says that it is still at it
  if (status != 0) stop(take_string(sc$con), call. = FALSE)
  take(sc)
}

connect <- function(port, secret) {
  con <- socketConnection(port = port, open = "wb", blocking = TRUE, timeout = 600)
  put_string(con, secret)
  if (!startsWith(take_string(con), "ok")) stop("Spark does not know its secret")
  con
}

spark_connect <- function(master, app_name, config) {
  file <- tempfile()
  submit <- file.path(Sys.getenv("SPARK_HOME"), "bin", "spark-submit")
  system2(
    submit, c("--master", shQuote(master), "--name", app_name, "sparkr-shell", file),
    wait = FALSE
  )
  for (n in 1:600) if (file.exists(file)) break else Sys.sleep(0.1)
  told <- file(file, "rb")
  on.exit(close(told))
  port <- take_int(told)
  monitor <- take_int(told)
  take_string(told) # R packages, of which there are none
  take_int(told) # seconds until a connection counts as lost
  secret <- take_string(told)
  sc <- list2env(list(con = connect(port, secret), alive = connect(monitor, secret)))
  builder <- call_java(sc, TRUE, "org.apache.spark.sql.SparkSession", "builder")
  sc$session <- invoke(builder, "getOrCreate")
  sc
}

spark_session <- function(sc) sc$session

invoke <- function(jobj, method, ...) call_java(jobj$sc, FALSE, jobj$id, method, ...)

invoke_static <- function(sc, class, method, ...) call_java(sc, TRUE, class, method, ...)

invoke_new <- function(sc, class, ...) call_java(sc, TRUE, class, "<init>", ...)

spark_disconnect <- function(sc) {
  invoke(sc$session, "stop")
  close(sc$con)
  close(sc$alive) # Spark's process ends
}
