"""Rollback triggers: rules on consecutive minutes that need no human."""
