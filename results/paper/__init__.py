"""The LLaVA-Mini paper's tables as data: one CSV a table, every row with its source, read by `tables.py`."""
