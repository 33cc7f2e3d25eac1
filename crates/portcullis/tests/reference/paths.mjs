// An upstream that says how Node reads the path it was sent. It prints its port, then serves.

import { createServer } from "node:http";
import { posix } from "node:path";

let requests = 0;

const server = createServer((request, response) => {
  requests += 1;
  const url = new URL(request.url, "http://reference");
  const decoded = decodeURIComponent(url.pathname);
  response.setHeader("Content-Type", "application/json");
  response.end(
    JSON.stringify({
      number: requests,
      raw: request.url,
      path: url.pathname,
      query: url.search.slice(1),
      decoded,
      resolved: posix.normalize(decoded),
    }),
  );
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
