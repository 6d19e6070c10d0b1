-- Shadows of pg_catalog: objects that capture what a statement names without a schema. An unprivileged login
-- plants them with what it may by itself; the owner lent it no more than CREATE on the schemas.
-- Run as that login, in whose schema `intruder` everything here lives.

create table intruder.loot (what pg_catalog.text, who pg_catalog.text);

-- The warning says it in the server's log even where the transaction is read-only or rolled back
create function intruder.seize(what pg_catalog.text) returns pg_catalog.bool
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  raise warning 'captured % in % as %', what, current_database(), current_user;
  begin
    insert into intruder.loot values (what, current_user);
  exception when others then
    null;
  end;
  return true;
end $$;

grant usage on schema intruder to public;
grant insert on intruder.loot to public;

-- Statements that belong together; some are impossible, such as a function that takes a cstring
create table intruder.refused (statements pg_catalog.text[], reason pg_catalog.text);
create function intruder.attempt(variadic statements pg_catalog.text[]) returns pg_catalog.bool
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  statement text;
begin
  foreach statement in array statements loop
    execute statement;
  end loop;
  return true;
exception when others then
  insert into intruder.refused values (statements, sqlerrm);
  return false;
end $$;

create function intruder.body(what pg_catalog.text, ending pg_catalog.text) returns pg_catalog.text
language sql set search_path = pg_catalog, pg_temp as $$
  select format('language plpgsql as $shadow$ begin perform intruder.seize(%L); %s end $shadow$', what, ending)
$$;

-- The argument list and the result of a routine with plain types in the place of polymorphic ones: as it is
-- if it has none, or else once for each type. Of a VARIADIC "any", one argument up to four.
create function intruder.variants(arguments pg_catalog.text, result pg_catalog.text)
returns table (taken pg_catalog.text, given pg_catalog.text)
language sql set search_path = pg_catalog, pg_temp as $$
  with kinds (element) as (
    select unnest(array[
      'text', 'name', 'varchar', '"char"', 'bool', 'int2', 'int4', 'int8', 'oid', 'xid', 'float8', 'numeric',
      'bytea', 'json', 'jsonb', 'uuid', 'interval', 'timestamptz', 'regtype', 'regclass', 'record'
    ])
  ),
  spread (arguments) as (
    select regexp_replace(arguments, '(\w+ )?VARIADIC "any"|VARIADIC \w+ "any"', listed)
      from (values ('"any"'), ('"any", "any"'), ('"any", "any", "any"'), ('"any", "any", "any", "any"')) as l (listed)
      where arguments ~ 'VARIADIC ("any"|\w+ "any")'
    union all select arguments where arguments !~ 'VARIADIC ("any"|\w+ "any")'
  ),
  plain as (
    select
      regexp_replace(
        regexp_replace(s.arguments, '\many(compatible)?array\M', k.element || '[]', 'g'),
        '"any"|\many(compatible)?(element|nonarray)?\M', k.element, 'g'
      ) as taken,
      regexp_replace(
        regexp_replace(result, '\many(compatible)?array\M', k.element || '[]', 'g'),
        '\many(compatible)?(element|nonarray)?\M', k.element, 'g'
      ) as given
    from spread as s cross join kinds as k
    where s.arguments ~ '"any"|\many(compatible)?(element|nonarray|array)?\M'
  )
  select taken, given from plain
  union select arguments, result where arguments !~ '"any"|\many(compatible)?(element|nonarray|array)?\M'
  -- Better matches than the real one, where an argument would have to be converted for that
  union select regexp_replace(arguments, '\mtext\M', instead, 'g'), result
    from (values ('varchar'), ('name'), ('"char"'), ('json')) as v (instead) where arguments ~ '\mtext\M'
  union select regexp_replace(arguments, '\m(bigint|numeric|double precision)\M', instead, 'g'), result
    from (values ('integer'), ('smallint'), ('oid')) as v (instead)
    where arguments ~ '\m(bigint|numeric|double precision)\M'
$$;

create function intruder.plant_functions(target pg_catalog.text, names pg_catalog.text[]) returns pg_catalog.int8
language sql set search_path = pg_catalog, pg_temp as $$
  select count(*) from (
    select p.proname,
      pg_get_function_arguments(p.oid) as arguments,
      pg_get_function_result(p.oid) as result,
      case when p.proretset or p.prorettype = 'void'::regtype then 'return;' else 'return null;' end as ending
    from pg_proc as p
    where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f'
      and (names is null or p.proname = any (names))
  ) as f
  cross join intruder.variants(f.arguments, f.result) as v
  where intruder.attempt(format(
    'create function %I.%I(%s) returns %s %s',
    target, f.proname, v.taken, v.given, intruder.body(format('function %s(%s)', f.proname, v.taken), f.ending)
  ))
$$;

create function intruder.plant_aggregates(target pg_catalog.text, names pg_catalog.text[]) returns pg_catalog.int8
language sql set search_path = pg_catalog, pg_temp as $$
  select count(*) from (
    select p.oid, p.proname, pg_get_function_identity_arguments(p.oid) as arguments,
      pg_get_function_result(p.oid) as result
    from pg_proc as p join pg_aggregate as a on a.aggfnoid = p.oid
    where p.pronamespace = 'pg_catalog'::regnamespace and a.aggkind = 'n'
      and (names is null or p.proname = any (names))
  ) as f
  cross join intruder.variants(f.arguments, f.result) with ordinality as v (taken, given, position)
  where intruder.attempt(format(
    'create function %1$I.%2$I(%3$s) returns %4$s %5$s',
    target, 'step_' || f.oid || '_' || v.position, concat_ws(', ', 'state ' || v.given, nullif(v.taken, '')), v.given,
    intruder.body(format('aggregate %s(%s)', f.proname, v.taken), 'return state;')
  ), format(
    'create aggregate %1$I.%2$I(%3$s) (sfunc = %1$I.%4$I, stype = %5$s)',
    target, f.proname, coalesce(nullif(v.taken, ''), '*'), 'step_' || f.oid || '_' || v.position, v.given
  ))
$$;

-- Every operator as it is, for paths that name pg_catalog after another schema; and the common ones for all
-- pairs of common types, which are better matches than any conversion
create function intruder.plant_operators(target pg_catalog.text, names pg_catalog.text[]) returns pg_catalog.int8
language sql set search_path = pg_catalog, pg_temp as $$
  with common (type) as (
    select unnest(array[
      'text', 'name', 'varchar', '"char"', 'bool', 'int4', 'int8', 'oid', 'json', 'jsonb', 'text[]', 'name[]'
    ]::text[])
  ),
  wanted (symbol, of_left, of_right, result) as (
    select o.oprname::text, nullif(o.oprleft, 0)::regtype::text, o.oprright::regtype::text, o.oprresult::regtype::text
      from pg_operator as o where o.oprnamespace = 'pg_catalog'::regnamespace and o.oprright <> 0
        and (names is null or o.oprname = any (names))
    union
    select s.symbol, l.type, r.type, s.result
      from (values
        ('=', 'bool'), ('<>', 'bool'), ('<', 'bool'), ('>', 'bool'), ('<=', 'bool'), ('>=', 'bool'),
        ('~~', 'bool'), ('!~~', 'bool'), ('~', 'bool'), ('||', 'text'), ('->', 'json'), ('->>', 'text'),
        ('@>', 'bool'), ('&&', 'bool'), ('+', 'int4'), ('-', 'int4'), ('*', 'int4'), ('/', 'int4')
      ) as s (symbol, result)
      cross join common as l cross join common as r
      where names is null or s.symbol = any (names)
  ),
  numbered as (select w.*, row_number() over () as position from wanted as w)
  select count(*) from numbered as n
  where intruder.attempt(format(
    'create function %1$I.%2$I(%3$s) returns %4$s %5$s',
    target, 'operate_' || n.position, concat_ws(', ', n.of_left, n.of_right), n.result,
    intruder.body(format('operator %s (%s, %s)', n.symbol, n.of_left, n.of_right), 'return null;')
  ), format(
    'create operator %1$I.%2$s (function = %1$I.%3$I%4$s, rightarg = %5$s)',
    target, n.symbol, 'operate_' || n.position, ', leftarg = ' || n.of_left, n.of_right
  ))
$$;

create function intruder.plant_types(target pg_catalog.text, names pg_catalog.text[]) returns pg_catalog.int8
language sql set search_path = pg_catalog, pg_temp as $$
  select count(*) from pg_type as t
  where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype in ('b', 'r', 'm')
    and (names is null or t.typname = any (names))
    and intruder.attempt(format(
      'create domain %1$I.%2$I as pg_catalog.%2$I check (intruder.seize(%3$L))', target, t.typname, 'type ' || t.typname
    ))
$$;

create function intruder.plant_relations(target pg_catalog.text, names pg_catalog.text[]) returns pg_catalog.int8
language sql set search_path = pg_catalog, pg_temp as $$
  select count(*) from pg_class as c
  where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind in ('r', 'v')
    and (names is null or c.relname = any (names))
    and intruder.attempt(format(
      'create view %1$I.%2$I as select r.* from pg_catalog.%2$I as r where intruder.seize(%3$L)',
      target, c.relname, 'relation ' || c.relname
    ), format('grant select on %I.%I to public', target, c.relname))
$$;
