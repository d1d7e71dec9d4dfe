"""Test phantoms, scored from clean data, with noise and under attack."""
