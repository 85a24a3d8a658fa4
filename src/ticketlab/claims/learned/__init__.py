"""What the studies `untrained-subnetwork` and `multi-prize` compute and how they are judged.

Reading order: `setting` (what arms are, and what seeds draw), `arms` (frozen weights searched, and trained ones, as
rows of tables), `halfway` (what a change since half-way says), `questions` (what is asked, and the gates of convergence and of
the control).
"""
