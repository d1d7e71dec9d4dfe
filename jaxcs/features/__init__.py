"""Small features: their shapes, their insertion into a scan, scores of their recovery, and a search for the worst."""
