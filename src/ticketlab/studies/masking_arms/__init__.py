"""What the study `masking-is-training` computes and how it is judged.

Reading order: `named` (what a plan can choose among), `setting` (what a seed's levels share, and chains through them), `work`
(how much is done), `training`, `untrained` (what masks make of the network as it was drawn), `seed` (all in turn), `tables` (as
rows), `formula` (what the claim says).
"""
