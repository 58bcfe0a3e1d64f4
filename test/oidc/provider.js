// An OpenID provider for tests: node provider.js PORT CALLBACK. It listens on 127.0.0.1:PORT, knows one confidential client (evenkeel), which comes back at
// CALLBACK, and people whose groups are given in people. Whoever gives a known name is let in: the forms are those that the provider brings for development.
import { Provider } from "oidc-provider";

const [port, callback] = process.argv.slice(2);
const people = { anna: ["staff", "virtualisation"], otto: ["staff"] };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: "evenkeel", client_secret: "a-secret-of-the-test-1", redirect_uris: [callback], response_types: ["code"], grant_types: ["authorization_code"] }],
  claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
  scopes: ["openid", "profile", "groups"],
  pkce: { required: () => true },
  cookies: { keys: ["a key of the test"] },
  findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, preferred_username: id, groups: people[id] }) },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
