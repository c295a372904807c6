"""What we test with, for users too."""
