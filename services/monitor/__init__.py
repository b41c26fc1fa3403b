"""The monitor: writes decisions and outcomes to the feedback tables, closes blocks, reports value and quality."""
