"""The parts of bench.hardest."""
