"""Serving: answers predictions over HTTP, swaps versions live, never waits for anything else."""
