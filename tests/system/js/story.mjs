// PostgREST's own client, pointed at the gateway, from sign-in to sign-out.
// Usage: node story.mjs FOLDER_WITH_NODE_MODULES BASE_URL. Prints each step's outcome as one JSON object.

import { createRequire } from "node:module";

const [folder, base] = process.argv.slice(2);
const { PostgrestClient } = createRequire(`${folder}/`)("@supabase/postgrest-js");

// What a browser does by itself, and nothing of it in the client
const jar = new Map();
async function fetchWithCookies(input, init = {}) {
  const headers = new Headers(init.headers);
  if (jar.size) headers.set("Cookie", [...jar].map(([name, value]) => `${name}=${value}`).join("; "));
  const answer = await fetch(input, { ...init, headers });
  for (const cookie of answer.headers.getSetCookie()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
    if (/max-age=0/i.test(cookie)) jar.delete(name);
    else jar.set(name, value);
  }
  return answer;
}

const steps = {};
async function step(name, request) {
  const { status, data, error, count } = await request;
  steps[name] = { status, data, error, count, cookies: [...jar.keys()].sort() };
  return data;
}

const api = new PostgrestClient(`${base}/rest`, { fetch: fetchWithCookies });
const tasks = () => api.from("task");

await step("read before", tasks().select());
await step("wrong password", api.schema("auth").rpc("login", { user_: "demo", pass: "wrong" }));
await step("login", api.schema("auth").rpc("login", { user_: "demo", pass: "demo" }));
await step("select", tasks().select("owner,title,done").order("id"));
const { id } = await step("insert", tasks().insert({ title: "by script" }).select().single());
await step("insert many", tasks().insert([{ title: "one more ü" }, { title: "and another" }]));
await step("update", tasks().update({ done: true }).eq("id", id).select("title,done"));
await step("upsert", tasks().upsert({ id, title: "by script, again" }).select("id,title").single());
await step("count", tasks().select("*", { count: "exact", head: true }).like("title", "%an%"));
await step("range", tasks().select("title", { count: "exact" }).order("title").range(1, 2));
await step("filters", tasks().select("title").or("title.ilike.*SCRIPT*,title.like.*ü").in("done", [true, false]).order("id"));
await step("csv", tasks().select("title").eq("id", id).csv());
await step("one of none", tasks().select().eq("id", -1).single());
await step("maybe one", tasks().select().eq("id", -1).maybeSingle());
await step("function", api.rpc("add", { a: 1, b: 2 }));
await step("function by get", api.rpc("countdown", { start: 3 }, { get: true }));
await step("function with filters", api.rpc("open_tasks").select("title").eq("title", "and another"));
await step("no such function", api.rpc("nothing", { a: 1 }));
const before = jar.get("refresh_token");
await step("refresh", api.rpc("refresh_token"));
steps.rotated = before !== jar.get("refresh_token");
await step("delete", tasks().delete({ count: "exact" }).or(`id.eq.${id},title.in.("one more ü","and another")`));
await step("logout", api.rpc("logout"));
await step("read after", tasks().select());

console.log(JSON.stringify({ ...steps, id }));
