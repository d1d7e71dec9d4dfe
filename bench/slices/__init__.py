"""Sources of slices, and their preparation for reconstruction."""
