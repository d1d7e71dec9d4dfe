"""Several processes that do one job together."""
