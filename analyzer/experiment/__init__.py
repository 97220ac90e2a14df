"""An A/B test: from outcomes logs to sums over units, what they say, and whether to go on."""
