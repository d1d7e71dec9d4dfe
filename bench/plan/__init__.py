"""The plan of a run, in names and numbers: its configuration, its errors and its statistics."""
