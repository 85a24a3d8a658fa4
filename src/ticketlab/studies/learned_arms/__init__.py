"""What the studies `untrained-subnetwork` and `multi-prize` compute and how they are judged.

Reading order: `setting` (what arms are, and what seeds draw), `arms` (frozen weights searched, and trained ones beside them),
`tables` (as rows), `questions` (the rules that the verdicts are made of).
"""
