"""Pages: one HTML file each, laid out from what was measured before. Nothing is computed here."""
