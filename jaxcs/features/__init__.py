"""Small features: their shapes, how they get into a scan, what of them is seen again, and the one most easily lost."""
