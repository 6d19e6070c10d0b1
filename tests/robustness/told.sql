-- Answers that nobody else's request has, and a record of what was written: for tests under load.

create table public.told (nonce text not null);

create function api.echo(nonce text) returns text language sql stable
  return nonce || ' ' || current_user;

create function api.tell(nonce text) returns text language sql volatile security definer
  set search_path = ''
as $$
  insert into public.told (nonce) values (nonce) returning told.nonce;
$$;

grant execute on function api.echo(text), api.tell(text) to basic_subscriber;
