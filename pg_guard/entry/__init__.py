"""Entry points: each translates between its world and the guard, and decides nothing."""
