"""An evaluation, what was kept around it, and what changed since the training before become one page, for readers who know no machine learning."""
