"""The parts of bench.features."""
