"""The user's files: one module for each format, each read into a checked `Dataset`.

Reading order: `files` (checks of any file), `answers` (from a column to labels or targets), then the formats: `idx`,
`npz`, `tables` (columns), `csv`, `images`, `parquet`, `cifar`, `hub`. Nothing here unpickles anything.
"""
