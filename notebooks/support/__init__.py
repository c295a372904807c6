"""What the tour needs beside the package: a handbook, what customers ask about it, and two readers that answer."""
