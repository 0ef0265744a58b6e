"""Own data: CSV, JSON and Parquet files read, typed, checked row by row, and put into an Iceberg table."""
