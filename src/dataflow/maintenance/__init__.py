"""Tables over time: what they hold, what is still promised of their history, and what may go."""
