"""The progress of a campaign: which readers have moved, by evidence or acknowledgement."""
