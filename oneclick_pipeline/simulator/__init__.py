"""Simulator: `twin` is the store with known truth, `year` lives policies in it."""
