// Clients of PostgREST with their default paths, unmodified: read as nobody, sign in, read and write, fail.
// Usage: node clients.mjs FOLDER_WITH_NODE_MODULES BASE_URL PUBLISHED_KEY GOOD_TOKEN EXPIRED_TOKEN.
// Prints the outcome of each client's steps as one JSON object.

import { createRequire } from "node:module";

const [folder, base, key, good, expired] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const plainFetch = globalThis.fetch;
const Vue = require("vue"); // before there is a window, which Vue takes for a whole browser
const steps = {};

// What a browser does by itself: one jar for each client, and relative URLs
function becomeBrowser() {
  const jar = new Map();
  globalThis.window = { location: { href: `${base}/` } };
  globalThis.fetch = async (input, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("Sec-Fetch-Site", "same-origin");
    if (jar.size) headers.set("Cookie", [...jar].map(([name, value]) => `${name}=${value}`).join("; "));
    const response = await plainFetch(new URL(input, base), { ...init, headers });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      if (/max-age=0/i.test(cookie)) jar.delete(name);
      else jar.set(name, value);
    }
    return response;
  };
  return jar;
}

const LOGIN = { user_: "demo", pass: "demo" };
const owners = (rows) => [...new Set(rows.map((row) => row.owner))];
async function failureOf(promise) {
  return promise.then(() => null, (error) => error);
}

{
  const jar = becomeBrowser();
  const { createClient } = require("@supabase/supabase-js");
  class NoWebSocket {} // Node 20 has none, and the client wants to know the class
  const client = (options) =>
    createClient(base, key, { db: { schema: "api" }, realtime: { transport: NoWebSocket }, ...options });
  const api = client({});
  const notices = await api.from("notice").select();
  const login = await api.schema("auth").rpc("login", LOGIN);
  const tasks = await api.from("task").select("owner");
  const inserted = await api.from("task").insert({ title: "by supabase-js" }).select().single();
  const deleted = await api.from("task").delete().eq("id", inserted.data.id);
  const logout = await api.schema("auth").rpc("logout");
  const after = await api.from("task").select();
  const withToken = client({ accessToken: async () => good });
  const late = client({ accessToken: async () => expired });
  steps["supabase-js"] = {
    anonymous: notices.status,
    login: login.status,
    owners: owners(tasks.data),
    written: [inserted.status, deleted.status],
    logout: [logout.status, jar.size],
    after: after.status,
    token: owners((await withToken.from("task").select("owner")).data),
    expired: (await late.from("task").select()).error.message,
  };
}
{
  becomeBrowser();
  const { PostgrestClient } = require("@supabase/postgrest-js");
  const api = new PostgrestClient(`${base}/rest/v1`);
  const late = new PostgrestClient(base, { headers: { Authorization: `Bearer ${expired}` } });
  const { error, status } = await late.from("task").select(); // before there is a cookie, which comes first
  const login = await api.schema("auth").rpc("login", LOGIN);
  steps["postgrest-js"] = {
    login: login.status,
    owners: owners((await api.from("task").select("owner")).data),
    expired: [status, error.message, Object.keys(error).sort()],
  };
}
{
  becomeBrowser();
  const provider = require("@raphiniert/ra-data-postgrest");
  const { fetchUtils } = require("ra-core");
  const api = provider.default({
    apiUrl: base,
    httpClient: fetchUtils.fetchJson,
    defaultListOp: "eq",
    primaryKeys: provider.defaultPrimaryKeys,
    schema: provider.defaultSchema,
  });
  const list = { pagination: { page: 1, perPage: 2 }, sort: { field: "id", order: "ASC" }, filter: {}, meta: {} };
  const before = await failureOf(api.getList("task", list));
  await fetchUtils.fetchJson(`${base}/rpc/login`, {
    method: "POST",
    body: JSON.stringify(LOGIN),
    headers: new Headers({ "Content-Type": "application/json", "Content-Profile": "auth" }),
  });
  const read = await api.getList("task", list);
  const made = await api.create("task", { data: { title: "by react-admin" }, meta: {} });
  const changed = await api.update("task", { id: made.data.id, data: { done: true }, previousData: made.data, meta: {} });
  await api.delete("task", { id: made.data.id, previousData: made.data, meta: {} });
  steps["ra-data-postgrest"] = {
    before: before.status,
    owners: owners(read.data),
    page: read.data.length,
    total: read.total >= 3,
    changed: changed.data.done,
  };
}
{
  const jar = becomeBrowser();
  globalThis.window.location.href = `${base}/page`;
  Vue.config.productionTip = false;
  Vue.config.devtools = false;
  const { default: Plugin, usePostgrest, AuthError } = require(
    `${folder}/node_modules/vue-postgrest/dist/cjs/vue-postgrest.js`, // its `exports` are for bundlers
  );
  Vue.use(Plugin); // its default root is /
  const anonymous = usePostgrest();
  await anonymous.$ready;
  const notices = await anonymous.notice.get();
  const login = await anonymous.rpc("login", LOGIN, { headers: { "Content-Profile": "auth" } });
  const tasks = await (await anonymous.$route("task").get({ select: "owner" })).json();
  jar.clear();
  const late = usePostgrest(undefined, expired);
  const [schema, error] = await Promise.all([failureOf(late.$ready), failureOf(late.$route("task").get())]);
  steps["vue-postgrest"] = {
    anonymous: notices.status,
    login: login.status,
    owners: owners(tasks),
    expired: [error instanceof AuthError, error.error, error.error_description, schema.causedBy?.error_description],
  };
}
console.log(JSON.stringify(steps));
process.exit(0);
