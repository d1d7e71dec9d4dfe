"""The report pages, made from the records of runs, without JAX."""
