"""Programs that run in a separate process, some with a peer's interpreter: they import neither JAX nor jaxcs.

A program is a function from a dictionary of options to a callable.  The callable takes a number of iterations, 1 if the
work has none, and returns when its result is complete.
"""
