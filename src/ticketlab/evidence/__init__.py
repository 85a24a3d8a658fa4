"""Evidence: tidy tables with the verdicts drawn from them, and the record of a run, from which its page is made."""
