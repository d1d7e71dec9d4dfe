"""Parts of bench.tune and bench.convergence."""
