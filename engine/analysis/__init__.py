"""What the rows of runs say: rates with intervals, tables in the paper's layout, comparisons."""
