"""The parts of bench.tune and bench.convergence."""
