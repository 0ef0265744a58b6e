"""A migration campaign: a change of a table on its way to all readers."""
