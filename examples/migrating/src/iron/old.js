// Before: the login is in iron-session's cookie.

import { createServer } from "node:http";
import { getIronSession } from "iron-session";

const options = { cookieName: "login", password: JSON.parse(process.env.PASSWORDS) };

const server = createServer(async (request, response) => {
  const session = await getIronSession(request, response, options);
  const [, action, value] = request.url.split("/");
  if (request.method === "GET") {
    response.end(session.user === undefined ? "guest" : `user ${session.user}, cart: ${session.cart.join(" ")}`);
    return;
  }
  if (action === "login") {
    session.user = Number(value);
    session.cart = [];
    await session.save();
  } else if (action === "cart" && session.user !== undefined) {
    session.cart.push(value);
    await session.save();
  } else if (action === "logout") {
    session.destroy();
  }
  response.end();
});

server.listen(process.env.PORT, "127.0.0.1", () => console.log(server.address().port));
