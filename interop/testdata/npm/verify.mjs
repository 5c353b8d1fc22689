// Reads tries from standard input, as JSON, and lets the library that each names verify it.
// Writes an object with "accepted" or the library's error by the name of the try.
import { readFileSync } from "node:fs";
import { verify as verifyGitHub } from "@octokit/webhooks-methods";
import { Webhook as Standard } from "standardwebhooks";
import Stripe from "stripe";
import { Webhook as Svix } from "svix";

// By their documentation, each gets the body as it arrived, before anything has parsed it.
const clients = {
  standardwebhooks: ({ secret, header, body }) => new Standard(secret).verify(body.toString(), header),
  svix: ({ secret, header, body }) => new Svix(secret).verify(body.toString(), header),
  stripe: ({ secret, header, body }) => Stripe.webhooks.constructEvent(body, header["stripe-signature"], secret),
  octokit: async ({ secret, header, body }) => {
    if (!(await verifyGitHub(secret, body.toString(), header["x-hub-signature-256"]))) {
      throw new Error("verify returned false");
    }
  },
};

const verdicts = {};
for (const { name, client, secret, header, body } of JSON.parse(readFileSync(0))) {
  try {
    await clients[client]({ secret, header, body: Buffer.from(body, "base64") });
    verdicts[name] = "accepted";
  } catch (error) {
    verdicts[name] = `${error.name}: ${error.message}`;
  }
}
process.stdout.write(JSON.stringify(verdicts));
