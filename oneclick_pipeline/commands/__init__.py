"""Commands that do not fit into `cli`. They stand apart from what they call: `oneclick --help` imports this and no more."""
