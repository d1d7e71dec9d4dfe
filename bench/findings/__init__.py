"""Sentences that follow from records, and the published claims that they are held against."""
