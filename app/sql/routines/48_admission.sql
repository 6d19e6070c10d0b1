-- auth.admit(): who a token of another issuer becomes. Replace it: docs/issuers.md.
--
-- The gateway has verified the token, and calls this with its claims as the anonymous role. What comes back
-- is the claims of a token for PostgREST, with `role`; null denies. An auth.admit with another body than the
-- default is the owner's, and stays as it is.
--
-- auth.revoke_subject() drops what gateways have cached about a subject, with the commit. It names the
-- subject by a digest: a payload has 8000 bytes at most, and other roles may listen.
--
-- Grants: execute on auth.admit to anon; on auth.revoke_subject none, it is for the owner and for triggers.
-- Attacker: a role that may execute auth.admit learns which roles the claims that it makes up would get, and
-- gets no token.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.admit_by_role(claims jsonb) returns jsonb
  language sql stable
  return case
    when claims ->> 'role' is null or auth_private.role_is_assignable(claims ->> 'role') then claims
  end;

do $do$
begin
  if exists (
    select
      from pg_proc as p
     where p.oid = to_regprocedure('auth.admit(jsonb)')
       and p.prosrc <> 'begin return auth_private.admit_by_role(claims); end'
  ) then
    return; -- the owner's
  end if;

  create or replace function auth.admit(claims jsonb) returns jsonb
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp
  as $$begin return auth_private.admit_by_role(claims); end$$;

  comment on function auth.admit(jsonb) is
    'Who a token of another issuer becomes: role and claims, or null to deny. Yours to replace.';
  grant execute on function auth.admit(jsonb) to anon;
end
$do$;

create or replace function auth.revoke_subject(issuer text, subject text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  if issuer is null or subject is null then
    raise null_value_not_allowed using message = 'a subject is an issuer and a name';
  end if;
  perform pg_notify(
    'postgate_session_ended',
    format(
      '{"issued_subject":"%s"}',
      encode(
        sha256(convert_to(revoke_subject.issuer || E'\n' || revoke_subject.subject, 'UTF8')), 'hex'
      )
    )
  );
end
$$;

comment on function auth_private.admit_by_role(jsonb) is
  'The claims, if their role may be given to a user, or if they name none: then the anonymous role.';
comment on function auth.revoke_subject(text, text) is
  'Has every gateway ask auth.admit again for the tokens of a subject, and end its streams, with the commit.';

reset role;
