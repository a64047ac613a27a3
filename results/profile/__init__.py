"""What models cost, as people read it: one table a question, CSV files, and one page with plots."""
