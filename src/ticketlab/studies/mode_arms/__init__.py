"""What the study `linear-mode` computes and how it is judged.

Reading order: `copies` (a search that rewinds, and copies trained from there), `lines` (what lies between them, as rows),
`tables`, `steps` (what is decided at each rewind step), `questions` (the rule of the verdict).
"""
