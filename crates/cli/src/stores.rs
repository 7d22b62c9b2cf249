//! Opens the stores that serve the locations of a command.
