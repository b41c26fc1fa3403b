"""What packages would have decided on logged rows, and what that would have cost: for candidates and backtests."""
