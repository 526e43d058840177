// Seals for the tests of reader.rs, by iron-session itself: node fixtures.js > ../../tests/migrations/iron_seals.json

import { sealData as by8 } from "iron-session-8";
import { sealData as by9 } from "iron-session";

const first = "the first password of the old shop";
const second = "the second pässword of the old shop";
const login = { user: 7, cart: ["bread", "Käse"] };

const seals = {};
for (const [version, sealData] of [[8, by8], [9, by9]]) {
  seals[version] = {
    single_password: await sealData(login, { password: first }),
    second_password: await sealData(login, { password: { 1: first, 2: second } }),
    one_minute: await sealData(login, { password: first, ttl: 60 }),
    forever: await sealData(login, { password: first, ttl: 0 }),
    guest: await sealData({}, { password: first }),
    another_key: await sealData(login, { password: { 3: first } }),
  };
}
console.log(JSON.stringify({ made: Date.now(), passwords: { 1: first, 2: second }, seals }, null, 2));
