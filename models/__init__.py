"""What is fitted: affinity, interest, customers; the baselines they must beat; metrics; the bundle they are kept in."""
