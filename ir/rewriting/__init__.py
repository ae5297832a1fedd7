"""How are programs rewritten? Patterns, one-line rules, and the driver that applies them until none fits."""
