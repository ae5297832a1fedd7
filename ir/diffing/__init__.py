"""The structural difference of two programs: which op became which, and what changed about it."""
