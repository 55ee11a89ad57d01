// A small static server: folders mounted at addresses, the shop's own content
// security policy on every page, nothing cached.
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".onnx": "application/octet-stream",
  ".shelf": "application/octet-stream",
};

/** What a careful shop allows: own scripts, WebAssembly, nothing evaluated, nothing inline, no blob: workers. */
export const STRICT_CSP =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'";

/**
 * @param {Record<string, string | Buffer>} mounts address prefix to folder, or exact address to content
 * @param {Record<string, string>} headers sent with everything
 */
export async function serve(mounts, headers = { "content-security-policy": STRICT_CSP }) {
  const requests = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    requests.push(path);
    const type = TYPES[extname(path) || ".html"] ?? "application/octet-stream";
    const answer = (status, body) => {
      response.writeHead(status, { "cache-control": "no-store", ...headers, "content-type": type });
      response.end(body);
    };
    if (path in mounts && !path.endsWith("/")) return answer(200, mounts[path]);
    if (path === "/" && "/" in mounts && typeof mounts["/"] !== "string") return answer(200, mounts["/"]);
    const prefix = Object.keys(mounts)
      .filter((mount) => mount.endsWith("/") && path.startsWith(mount) && typeof mounts[mount] === "string")
      .sort((a, b) => b.length - a.length)[0];
    if (!prefix) return answer(404, "not found");
    const folder = normalize(mounts[prefix]);
    const file = normalize(join(folder, path.slice(prefix.length) || "index.html"));
    if (!file.startsWith(folder.endsWith(sep) ? folder : folder + sep)) return answer(404, "not found");
    try {
      const { size } = statSync(file);
      response.writeHead(200, { "cache-control": "no-store", ...headers, "content-type": TYPES[extname(file)] ?? type, "content-length": size });
      createReadStream(file).pipe(response);
    } catch {
      answer(404, "not found");
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    requests,
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  };
}
