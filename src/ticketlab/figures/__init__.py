"""Charts made from tables and verdicts, and the words and numbers on them.

Reading order: `wording`, `palette`, `spread`, `axes`, `figure`, `key`, `rows`, `curves`, `forest` (the figure of every claim),
`text_tables`, `certificates`, `presentation` (what a page shows of a run).
"""
