// node build.mjs NODE_MODULES_FOLDER OUT_FOLDER: bundles src/ into OUT_FOLDER/report.js and report.css.
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const [modules, out] = process.argv.slice(2).map((path) => resolve(path));
if (!modules || !out) {
  console.error('usage: node build.mjs NODE_MODULES_FOLDER OUT_FOLDER');
  process.exit(2);
}
const here = dirname(fileURLToPath(import.meta.url));
const esbuild = createRequire(join(modules, 'x.js'))('esbuild');

await esbuild.build({
  entryPoints: { report: join(here, 'src', 'main.js') },
  outdir: out,
  bundle: true,
  minify: true,
  format: 'iife',
  target: ['es2020'],
  charset: 'ascii',
  legalComments: 'eof', // ECharts is Apache-2.0, and goes with every page
  nodePaths: [modules],
  absWorkingDir: here,
  logLevel: 'warning',
});
