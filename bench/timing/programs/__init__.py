"""What runs in a process of its own, some of it by the peers' interpreter: nothing here imports JAX or jaxcs.

A program is a function from a dictionary of options to a callable; that is called with a number of iterations (1 where
the work has none) and returns when its result is there.
"""
