"""A study of defences: networks trained in several ways, each under its own attack."""
