"""The one reader of tables without a JVM: a catalog's pointer, a state of a table, its rows as Arrow."""
