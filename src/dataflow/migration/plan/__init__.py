"""A migration plan: what a change of a table affects, and the steps to it."""
