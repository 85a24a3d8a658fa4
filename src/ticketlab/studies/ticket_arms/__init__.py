"""What the study `winning-ticket` computes and how it is judged.

Reading order: `levels` (all levels of a search with its controls), `tables` (as rows), `questions` (the rule of the verdict).
"""
