"""Many calls now: side by side, within a budget, with a checkpoint."""
