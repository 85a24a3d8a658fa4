"""What the study `masking-is-training` computes and how it is judged.

Reading order: `named` (what a plan can choose among), `levels` (one seed with all criteria and actions), `tables` (as rows),
`questions` (the rule of the verdict).
"""
