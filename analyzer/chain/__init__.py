"""The chain of evidence: verdicts that were kept, and what a new one stands on."""
