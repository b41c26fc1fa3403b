"""The console: everything a person looks at: the sponsor's report, the portfolio, notifications."""
