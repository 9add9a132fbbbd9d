// A picture of a part of a report, for README.md: node picture.mjs NODE_MODULES PAGE OUT.png
// (`./dev picture` makes the runs and the page first). Needs Chromium (CONVOY_CHROMIUM, else
// Debian's chromium-headless-shell).
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [modules, page, out] = process.argv.slice(2).map((path) => resolve(path));
if (!out) throw new Error('usage: node picture.mjs NODE_MODULES PAGE OUT.png');
const { chromium } = createRequire(join(modules, 'x.js'))('playwright-core');
const browser = await chromium.launch({
  executablePath: process.env.CONVOY_CHROMIUM ?? '/usr/bin/chromium-headless-shell',
  args: ['--headless', '--no-sandbox', '--disable-gpu'],
});
const width = 960;
const height = 706; // the sentence and the causes of waiting
const view = await browser.newPage({ viewport: { width, height: 2000 } });
await view.goto(`file://${page}`);
await view.waitForFunction(() => document.documentElement.dataset.ready === 'true', null, {
  timeout: 120_000,
});
const top = await view.evaluate(() => {
  document.querySelector('nav').style.display = 'none'; // it would lie on what is scrolled to
  const section = document.getElementById('sides');
  section.scrollIntoView();
  return section.getBoundingClientRect().top + window.scrollY;
});
await view.waitForTimeout(1000); // charts are drawn when they come into view
await view.screenshot({ path: out, fullPage: true, clip: { x: 0, y: top - 8, width, height } });
await browser.close();
