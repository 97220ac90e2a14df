"""Service levels: what production owes tonight, in three layers, and what is left of the budget."""
