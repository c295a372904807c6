"""What may be spent: budgets, their windows and scopes, and what is left of them."""
