"""The files of a repository: as a commit has them, or as they lie on the disk."""
