"""Cases that are not played here, and why. None is dropped without a word: a test holds the list complete."""

SQL = "needs the auth functions in a real database: tests/auth and tests/sql"
SESSIONS = "needs sessions and the deny set"
ROTATION = "needs more than one key in the ring"

NOT_HERE = {
    "D54": SESSIONS,
    "E04": SQL,
    "E20": SQL,
    "E24": SQL,
    "G26": SQL,
    "G27": SQL,
    "G28": SQL,
    "G29": SQL,
    "G31": SQL,
    "G37": SQL,
    "G42": ROTATION,
    "G47": "needs sampled or rate-limited log lines",
}
