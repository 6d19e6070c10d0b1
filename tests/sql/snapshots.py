"""All that a migration leaves in a database, as lines of text to compare: definitions, owners, grants."""

from app.devstack import Database

LINES = """
with ours as (
  select oid, nspname from pg_namespace where nspname in ('auth', 'auth_private', 'postgate', 'extensions')
)
select concat_ws(' ', 'schema', n.nspname, pg_get_userbyid(n.nspowner), n.nspacl, obj_description(n.oid))
  from pg_namespace as n join ours using (oid)
union all
select concat_ws(' ', 'relation', c.oid::regclass, c.relkind, pg_get_userbyid(c.relowner), c.relacl,
                 c.relrowsecurity, obj_description(c.oid))
  from pg_class as c join ours on ours.oid = c.relnamespace
union all
select concat_ws(' ', 'column', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod),
                 a.attnotnull, pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum))
  from pg_attribute as a
  join pg_class as c on c.oid = a.attrelid
  join ours on ours.oid = c.relnamespace
  left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
 where a.attnum > 0
union all
select concat_ws(' ', 'constraint', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
  from pg_constraint as k join ours on ours.oid = k.connamespace
union all
select concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), obj_description(i.indexrelid))
  from pg_index as i join pg_class as c on c.oid = i.indexrelid join ours on ours.oid = c.relnamespace
union all
select concat_ws(' ', 'trigger', pg_get_triggerdef(t.oid), t.tgenabled, obj_description(t.oid))
  from pg_trigger as t join pg_class as c on c.oid = t.tgrelid join ours on ours.oid = c.relnamespace
 where not t.tgisinternal
union all
select concat_ws(' ', 'function', pg_get_functiondef(p.oid), pg_get_userbyid(p.proowner), p.proacl,
                 obj_description(p.oid))
  from pg_proc as p join ours on ours.oid = p.pronamespace
union all
select concat_ws(' ', 'default', pg_get_userbyid(d.defaclrole), d.defaclobjtype, d.defaclacl)
  from pg_default_acl as d
union all
select concat_ws(' ', 'booked', m.version, m.name)
  from postgate.migration as m
union all
select concat_ws(' ', 'setting', s.name, s.value, s.default_value, s.lowest, s.highest, s.unit, s.meaning)
  from auth.setting as s
order by 1
"""


def snapshot(database: Database) -> list[str]:
    return [row[0] for row in database.fetch(LINES)]
