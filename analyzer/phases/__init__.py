"""What each phase's gate asks."""
