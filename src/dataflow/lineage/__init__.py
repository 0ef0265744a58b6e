"""Who takes which column from where."""
