"""What a run is to do, in names and numbers: its configuration, its errors and its statistics."""
