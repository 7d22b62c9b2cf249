//! What a checkpoint store can do: list, stat, read; rename, delete, create. Memory and local directory.
