"""The parts of bench.claims."""
