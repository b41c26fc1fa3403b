"""The feedback tables: every decision, its inputs and its later outcome, in an open format."""
