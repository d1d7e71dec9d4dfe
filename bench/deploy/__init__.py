"""The parts of bench.export."""
