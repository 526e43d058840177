// A certified OpenID Connect provider on a free port of loopback, with an API that takes its access tokens. It prints
// its address and its grants, takes commands on standard input, and ends when that closes.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { randomBytes } from "node:crypto";
import { createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from "jose";
import Provider from "oidc-provider";

// What the commands change. `lifetime` is that of access tokens, in seconds.
const settings = { lifetime: 3600, rotate: true, api: true };
let gate = Promise.resolve();
let open = () => {};

const server = createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;
const api = `${issuer}/api`;
const { privateKey } = await generateKeyPair("RS256", { extractable: true });

// Ada is in thirty groups. Grace is in four hundred.
const groups = (name) =>
  Array.from({ length: name === "grace" ? 400 : 30 }, (_, number) => `department-${number}/readers`);

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "shop",
      client_secret: "only-for-this-example",
      redirect_uris: ["http://localhost:3000/callback"],
      post_logout_redirect_uris: ["http://localhost:3000/"],
      grant_types: ["authorization_code", "refresh_token"],
    },
  ],
  claims: { openid: ["sub"], profile: ["name", "groups"] },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, name: sub, groups: groups(sub) }) }),
  // Into ID tokens, as most providers do.
  conformIdTokenClaims: false,
  extraTokenClaims: (_, token) => ({ groups: groups(token.accountId) }),
  // A refresh token for the time that the visitor is signed in here. It ends with that session: no `offline_access`.
  issueRefreshToken: () => true,
  // The strictest policy: each refresh token works once, and a second use of it ends the whole sign-in.
  rotateRefreshToken: () => settings.rotate,
  features: {
    // Access tokens are JWTs for the API (RFC 9068).
    resourceIndicators: {
      defaultResource: () => api,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        audience: api,
        scope: "orders",
        accessTokenFormat: "jwt",
      }),
    },
  },
  cookies: { keys: [randomBytes(32).toString("hex")] },
  jwks: { keys: [{ ...(await exportJWK(privateKey)), use: "sig", alg: "RS256" }] },
  ttl: {
    AccessToken: () => settings.lifetime,
    Grant: 86_400,
    IdToken: 3600,
    Interaction: 3600,
    RefreshToken: 86_400,
    Session: 86_400,
  },
});

provider.on("grant.success", ({ oidc }) => console.log("granted", oidc.params.grant_type));
provider.on("grant.error", ({ oidc }, error) => {
  console.log("refused", oidc.params?.grant_type, error.error_detail ?? error.message);
});

// The API checks tokens by the provider's keys alone: it does not ask whether a token was revoked.
const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`));
provider.use(async (ctx, next) => {
  if (ctx.path === "/token") {
    console.log("asked for tokens");
    await gate;
  }
  if (ctx.path !== "/api/orders") return next();
  if (!settings.api) return (ctx.status = 500);
  const token = ctx.get("authorization").replace(/^Bearer /, "");
  try {
    const { payload } = await jwtVerify(token, keys, { issuer, audience: api, typ: "at+jwt" });
    ctx.body = [`bread for ${payload.sub}`, `cheese for ${payload.sub}`];
  } catch {
    ctx.status = 401;
  }
});

const commands = {
  lifetime: (seconds) => (settings.lifetime = Number(seconds)),
  rotate: (yes) => (settings.rotate = yes === "yes"),
  api: (up) => (settings.api = up === "up"),
  hold: () => (gate = new Promise((resolve) => (open = resolve))),
  release: () => open(),
};
const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
  const [name, value] = line.split(" ");
  commands[name](value);
  console.log("done", line);
});
input.on("close", () => process.exit());

server.on("request", provider.callback());
console.log("issuer", issuer);
