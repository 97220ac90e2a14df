"""How the flight logs were made: history, what was known when, two models, serving."""
