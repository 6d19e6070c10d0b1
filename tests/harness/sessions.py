"""Sessions of a user, begun in the database alone: no password is checked, and no request is made."""

from typing import Final

# The first refresh token, and the id of the session; nothing for an unknown name. Under any search path
BEGIN_SESSION: Final = """
select t.token, s.id::pg_catalog.text as session
  from auth.user as u,
       auth_private.open_session(u.id, u.id::pg_catalog.text, null, '{}', '{pwd}') as s,
       auth_private.issue_refresh_token(s) as t
 where u.username operator(pg_catalog.=) $1
"""
