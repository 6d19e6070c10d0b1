-- auth.adopt(): a session for the claims of a token that another login function made and the gateway has
-- verified.
--
-- Your own login keeps its tables and passwords, and gets what Postgate's sessions have: rotation, replay
-- detection, silent renewal, a list and revocation. The renewed tokens have the same claims. The subject is
-- `sub`, or what the known recipes have instead. If it is the id of a user of auth.user, the session is that
-- user's, with the user's role.
--
-- Grants: none. The owner decides it: grant execute on function auth.adopt(json) to gateway;
-- Attacker: with that grant, a holder of the gateway's login can open a session of any subject, with any
-- assignable role.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth.adopt(claims json) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims constant jsonb := claims::jsonb;
  v_subject constant text := coalesce(
    v_claims ->> 'sub', v_claims ->> 'user_id', v_claims ->> 'username', v_claims ->> 'email'
  );
  v_amr constant text[] := case
    when jsonb_typeof(v_claims -> 'amr') = 'array'
      then array(select a.method from jsonb_array_elements_text(v_claims -> 'amr') as a (method))
    else array['pwd']
  end;
  v_user uuid;
begin
  perform auth_private.refuse_read_only();
  if coalesce(v_subject, '') = '' then
    raise check_violation using
      message = 'the token names no subject',
      hint = 'Give it the claim sub, user_id, username or email.';
  end if;
  -- As auth.login does: its holder could not end it any more
  perform auth_private.end_session(
    auth_private.session_of_token(auth_private.presented_refresh_token()), 'signed_in_again'
  );
  select u.id into v_user from auth.user as u where u.id = auth_private.canonical_uuid(v_subject);
  if found then
    perform auth_private.start_session(v_user, v_amr, v_claims);
  else
    perform auth_private.start_foreign_session(v_subject, v_claims ->> 'role', v_claims, v_amr);
  end if;
end
$$;

comment on function auth.adopt(json) is
  'Starts a session with the claims of a verified token, and sends its cookies. For the gateway, once the '
  'owner has granted it.';

reset role;
