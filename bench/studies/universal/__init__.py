"""A study of universal perturbations: fitted to some slices, scored on others."""
