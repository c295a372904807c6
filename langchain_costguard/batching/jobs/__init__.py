"""Many calls overnight: jobs for a provider's Batch API, at half the price, which outlive the process."""
