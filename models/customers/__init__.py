"""What each customer will do next: likelihood, orders, value, rhythm, stage of life, importance, and why."""
