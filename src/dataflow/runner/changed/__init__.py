"""The days that a run is about to do because their sources changed: found before it, remembered after it."""
