"""Suites, published scores, runs, results, and the leaderboard made from them."""
