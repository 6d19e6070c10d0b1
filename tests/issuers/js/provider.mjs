// A real OpenID provider on loopback, for the tests: node provider.mjs FOLDER PORT KEYS
// FOLDER has the packages; KEYS is a file that keeps the keys when the process is killed.
// Client credentials give an access token (a JWT) for the audience "api", signed with the algorithm asked for.
// POST /rotate makes new keys, publishes them with the old ones, and signs with the new ones.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [folder, port, file] = process.argv.slice(2);
const entry = createRequire(`${folder}/`).resolve('oidc-provider');
const { default: Provider } = await import(pathToFileURL(entry).href);
const issuer = `http://127.0.0.1:${port}`;
const kinds = {
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
};

function newKeys() {
  return Object.entries(kinds).map(([alg, make]) => ({
    ...make().privateKey.export({ format: 'jwk' }), alg, kid: randomUUID(), use: 'sig',
  }));
}

let keys = existsSync(file) ? JSON.parse(readFileSync(file)) : newKeys();

function make() {
  writeFileSync(file, JSON.stringify(keys));
  return new Provider(issuer, {
    jwks: { keys },
    clients: Object.keys(kinds).map((alg) => ({
      client_id: alg, client_secret: 'secret', grant_types: ['client_credentials'],
      redirect_uris: [], response_types: [], token_endpoint_auth_method: 'client_secret_post',
    })),
    extraTokenClaims: () => ({ role: 'basic_subscriber', nonce: randomUUID() }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:api',
        getResourceServerInfo: (_, resource, client) => ({
          scope: '', audience: 'api', accessTokenTTL: 600, accessTokenFormat: 'jwt',
          jwt: { sign: { alg: client.clientId } },
        }),
      },
    },
  }).callback();
}

let handle = make();
createServer((request, response) => {
  if (request.url !== '/rotate') {
    handle(request, response);
    return;
  }
  keys = [...newKeys(), ...keys];
  handle = make();
  response.end('rotated');
}).listen(Number(port), '127.0.0.1');
