#!/usr/bin/env node
/**
 * Serves the page, an output folder of vlm-convert and the libraries that the page needs, on the loopback address:
 *
 *   node serve.js <output folder> [port]
 *
 * /        the files of page/
 * /model/  the output folder
 * /lib/    transformers.js as npm installed it
 * /ort/    the WebAssembly of onnxruntime-web that it runs on
 */
import { createReadStream, realpathSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, extname, join, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';

const types = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.mjs', 'text/javascript; charset=utf-8'],
  ['.json', 'application/json'],
  ['.wasm', 'application/wasm'],
]);

/** Threads in WebAssembly need shared memory, which browsers give only to pages that load nothing from elsewhere. */
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/**
 * @param {string} model An output folder of `vlm-convert --format transformers.js`.
 * @param {number} [port] 0: one that is free.
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function serve(model, port = 0) {
  const transformers = createRequire(import.meta.url).resolve('@huggingface/transformers');
  const roots = new Map([
    ['model', realpathSync(model)],
    ['lib', dirname(transformers)],
    ['ort', dirname(createRequire(transformers).resolve('onnxruntime-web'))],
  ]);
  const page = join(import.meta.dirname, 'page');
  const server = createServer(async (request, response) => {
    try {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost');
      const [, first = '', ...rest] = decodeURIComponent(pathname).split('/');
      const root = roots.get(first);
      const wanted = root === undefined ? [first === '' ? 'index.html' : first, ...rest] : rest;
      const path = inside(root ?? page, wanted.join('/'));
      const file = path === undefined ? undefined : await stat(path).catch(() => undefined);
      if (path === undefined || !file?.isFile()) {
        response.writeHead(404, isolation).end();
        return;
      }
      response.writeHead(200, {
        ...isolation,
        'Content-Type': types.get(extname(path)) ?? 'application/octet-stream',
        'Content-Length': file.size,
        // An output can be made again under the same name.
        'Cache-Control': 'no-store',
      });
      await pipeline(createReadStream(path), response);
    } catch {
      // A reader that went away, or an address that is none.
      response.destroy();
    }
  });
  await /** @type {Promise<void>} */ (
    new Promise((done, failed) => server.once('error', failed).listen(port, '127.0.0.1', done))
  );
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('no port');
  return {
    url: `http://127.0.0.1:${address.port}/`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/**
 * The path of a file in a folder; undefined where it would stand outside.
 *
 * @param {string} root
 * @param {string} name
 */
function inside(root, name) {
  const path = resolve(root, name);
  return path.startsWith(root + sep) ? path : undefined;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === import.meta.filename) {
  const [model, port = '8080'] = process.argv.slice(2);
  if (model === undefined) {
    console.error('node serve.js <output folder> [port]');
    process.exitCode = 3;
  } else {
    const { url } = await serve(model, Number(port));
    console.log(`${model} at ${url}`);
  }
}
