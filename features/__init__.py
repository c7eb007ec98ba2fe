"""Orders become canonical tables, and tables become what was known of customers, product sets and pairs as of a date."""
