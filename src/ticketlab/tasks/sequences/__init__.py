"""Sequences and other generated data whose best possible loss is known, and text, whose is not.

Reading order: `draws` (random numbers that no release of NumPy changes), `markov`, `in_context`, `sparse_parity`, `teacher`,
`text`.
"""
