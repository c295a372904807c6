"""Holding calls to their budgets: bounding what a call can cost, reserving it, and settling what it did."""
