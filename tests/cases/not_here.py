"""Cases that are not played here, and why. None is dropped without a word: a test holds the list complete."""

SQL = "needs the auth functions in a real database: tests/auth and tests/sql"
SESSIONS = "needs sessions and the deny set"

NOT_HERE = {
    "D54": SESSIONS,
    "G26": SQL,
    "G27": SQL,
    "G28": SQL,
    "G29": SQL,
    "G31": SQL,
    "G37": SQL,
    "G47": "needs sampled or rate-limited log lines",
}
