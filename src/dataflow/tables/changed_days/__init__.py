"""Which days of a table changed since a snapshot: from metadata, and where that can't tell, from one column."""
