"""What was possible elsewhere, a file each: named by the attack, with the advisory in the docstring.

The tables beside this folder test each rule in full; here stands one attack from end to end.
"""
