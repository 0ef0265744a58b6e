"""What each leaf job type does."""
