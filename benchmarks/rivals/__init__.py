"""What else could do the scan's work, or part of it, measured side by side."""
