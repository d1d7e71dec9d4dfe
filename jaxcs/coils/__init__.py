"""Coils: sensitivity maps by ESPIRiT, compression, whitening, noise from the background, and simulated arrays."""
