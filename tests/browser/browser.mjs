// Shared by the tests of pages. Needs CONVOY_NODE_MODULES (with playwright-core), CONVOY_WEB_OUT
// (the bundle: report.js, report.css) and Chromium (CONVOY_CHROMIUM, else Debian's).
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const needed = (name) => {
  if (!process.env[name]) throw new Error(`${name} is not set`);
  return resolve(process.env[name]);
};

// The headless build takes half the time: it draws no user interface.
const binary =
  process.env.CONVOY_CHROMIUM ??
  ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'].find(existsSync);

// Without Chromium the process ends, and the test counts as skipped.
async function launch() {
  if (!binary || !existsSync(binary)) {
    console.log(`skipped: ${binary ?? 'Chromium'} is not there; install chromium-headless-shell`);
    process.exit(77);
  }
  const { chromium } = createRequire(join(needed('CONVOY_NODE_MODULES'), 'x.js'))(
    'playwright-core'
  );
  return chromium.launch({
    executablePath: binary,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

// The page for `data`, as the C++ side makes it.
export function html(data, title = 'Convoy') {
  const out = needed('CONVOY_WEB_OUT');
  const escaped = JSON.stringify(data).replaceAll('<', '\\u003c');
  const parts = {
    '@TITLE@': title,
    '@SUMMARY@': '',
    '@CSS@': readFileSync(join(out, 'report.css'), 'utf8'),
    '@DATA@': escaped,
    '@SCRIPT@': readFileSync(join(out, 'report.js'), 'utf8'),
  };
  const shell = readFileSync(join(here, '../../analysis/web/page.html'), 'utf8');
  return shell.replace(/@(TITLE|SUMMARY|CSS|DATA|SCRIPT)@/g, (name) => parts[name]);
}

// A folder for pages, removed at the end of the process; save(name, data) gives its path.
export function folder() {
  const path = mkdtempSync(join(tmpdir(), 'convoy-page-'));
  process.on('exit', () => rmSync(path, { recursive: true, force: true }));
  return (name, data) => {
    const file = join(path, name);
    writeFileSync(file, html(data));
    return file;
  };
}

// Opens a report and waits until it is drawn. `page.seen` collects what must not occur: errors,
// dialogs, requests for anything except the file.
export async function open(browser, file, { width = 1280, height = 900, ...options } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    acceptDownloads: true,
    ...options,
  });
  const page = await context.newPage();
  const address = file.includes('://') ? file : pathToFileURL(file).href;
  watch(page, (url) => url === address);
  await page.goto(address);
  await ready(page);
  return page;
}

export function watch(page, allowed) {
  page.seen = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) page.seen.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => page.seen.push(`error: ${error.stack}`));
  page.on('dialog', (dialog) => {
    page.seen.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('request', (request) => {
    const url = request.url();
    if (!allowed(url) && !url.startsWith('blob:') && !url.startsWith('data:'))
      page.seen.push(`request: ${url}`);
  });
}

export const ready = (page) =>
  page.waitForFunction(() => document.documentElement.dataset.ready === 'true', null, {
    timeout: 60000,
  });

export const nothingSeen = (page) => assert.deepEqual(page.seen, []);

export const values = (page, id) =>
  page.evaluate((name) => window.convoy.charts.get(name).values(), id);
export const ids = (page) => page.evaluate(() => [...window.convoy.charts.keys()]);

// Number of colours in a chart's canvas; 1: blank.
export const colours = (page, id) =>
  page.evaluate((name) => {
    const figure = window.convoy.charts.get(name);
    const canvas = figure.echarts.renderToCanvas();
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const found = new Set();
    for (let i = 0; i < data.length; i += 4)
      found.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    return found.size;
  }, id);

// Checks that every chart has drawn something, or says why not.
export async function everyChartIsDrawn(page) {
  for (const id of await ids(page)) {
    await page.locator(`#chart-${id}`).scrollIntoViewIfNeeded();
    await page.waitForTimeout(50);
    const missing = await page.locator(`#chart-${id} .nothing`).textContent();
    const rows = await values(page, id);
    if (missing) {
      assert.equal(rows.length, 0, `${id} says "${missing}" but has values`);
      continue;
    }
    assert.ok(rows.length > 0, `${id} has no values and does not say why`);
    assert.ok((await colours(page, id)) > 3, `${id} is blank`);
  }
}

export async function noSidewaysScrolling(page) {
  const { inner, whole } = await page.evaluate(() => ({
    inner: document.documentElement.clientWidth,
    whole: document.documentElement.scrollWidth,
  }));
  assert.ok(whole <= inner, `the page is ${whole} px wide in a window of ${inner}`);
}

// Saves a chart by its button; gives its text, after a check that it is one well-formed SVG.
export async function savedSvg(page, id) {
  await page.waitForTimeout(150); // Chromium drops downloads that follow too fast
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.locator(`#chart-${id} .tools button`).nth(1).click(),
  ]);
  assert.equal(download.suggestedFilename(), `${id}.svg`);
  const text = readFileSync(await download.path(), 'utf8');
  const parsed = await page.evaluate((svg) => {
    const tree = new DOMParser().parseFromString(svg, 'image/svg+xml');
    return {
      broken: tree.querySelector('parsererror')?.textContent ?? '',
      root: tree.documentElement.localName,
      scripts: tree.querySelectorAll('script, img, foreignObject').length,
      text: tree.documentElement.textContent,
    };
  }, text);
  assert.equal(parsed.broken, '');
  assert.equal(parsed.root, 'svg');
  assert.equal(parsed.scripts, 0);
  return parsed.text;
}

// A file's tests: test(name, body) adds one, run() runs those whose name has the first argument of
// the command line in it, and ends the process.
export async function suite() {
  const browser = await launch();
  const tests = [];
  return {
    browser,
    test: (name, body) => tests.push([name, body]),
    run: () => runAll(browser, tests),
  };
}

async function runAll(browser, tests) {
  const wanted = process.argv[2] ?? '';
  let failed = 0;
  for (const [name, body] of tests.filter(([title]) => title.includes(wanted))) {
    const begun = performance.now();
    try {
      await body();
      console.log(`ok ${name} (${((performance.now() - begun) / 1e3).toFixed(1)} s)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${name}\n${error.stack}`);
    }
    await Promise.all(browser.contexts().map((context) => context.close()));
  }
  await browser.close();
  process.exit(failed ? 1 : 0);
}
