"""Measures beside the scores: what an image invents, how a method answers to its data, and what holds without truth."""
