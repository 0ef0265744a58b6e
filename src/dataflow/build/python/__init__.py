"""The Python of people's own code: what it needs, locked, and the environment that is made of the lock."""
