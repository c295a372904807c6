"""Price arithmetic."""
