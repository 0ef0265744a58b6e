"""The tests: a folder for each of the library's rooms, and what they share in `support`."""
