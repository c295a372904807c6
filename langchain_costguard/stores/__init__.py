"""Where lines are kept."""
