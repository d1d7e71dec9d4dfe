"""The pieces of a report page: a run's records in, HTML out, without JAX."""
