"""Labels: the truth as it becomes known, joined to what both models said."""
