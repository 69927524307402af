"""Getting SiftFlow: where it is, what was published, where it can be had, and how a folder is filled with it."""
