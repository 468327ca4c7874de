"""How many of a week's purchases the two towers find, and how fast."""
