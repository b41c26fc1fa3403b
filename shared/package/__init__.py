"""The package: a content-addressed directory that holds one trained model and the proof of how it answers."""
