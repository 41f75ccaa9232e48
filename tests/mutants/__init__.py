"""Small faults planted one at a time, and whether a test notices them: `make mutants`.

`faults` draws them over all wings, `reach` knows which tests reach a line, `campaign` runs those
tests for each fault in a copy of the tree and prints what survived. `equivalent.tsv` lists faults
that change nothing anybody can see, each with the reason.
"""
