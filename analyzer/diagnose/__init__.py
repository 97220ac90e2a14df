"""`analyzer diagnose`: what happened, since when, who was hit, what moved first, how sure."""
