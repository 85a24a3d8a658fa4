"""The user's files: one format a module, each read into a checked `Dataset`.

Reading order: `files` (what can be wrong with any file), `answers` (from a column to labels or targets), then the formats:
`idx`, `npz`, `tables` (columns), `csv`, `images`, `parquet`, `cifar`, `hub`. Nothing here unpickles anything.
"""
