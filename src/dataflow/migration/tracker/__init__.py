"""Campaigns in an issue tracker: an issue for each owner, kept in step with what the owner's workflows do."""
