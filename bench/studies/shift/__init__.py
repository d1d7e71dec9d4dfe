"""The parts of bench.shift."""
