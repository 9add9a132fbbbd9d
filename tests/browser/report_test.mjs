// Tests reports and the live page of real runs: node tests/browser/report_test.mjs [part of a name]
// Also needs CONVOY_BINARY. Python's sqlite3 reads the stores, independently of Convoy's code.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  everyChartIsDrawn,
  ids,
  noSidewaysScrolling,
  nothingSeen,
  open,
  ready,
  savedSvg,
  suite,
  values,
  watch,
} from './browser.mjs';

const folder = mkdtempSync(join(tmpdir(), 'convoy-report-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name) => join(folder, name);
const convoy = (...args) =>
  execFileSync(process.env.CONVOY_BINARY, args, { encoding: 'utf8', maxBuffer: 1 << 28 });

const hostile = '<script>alert(1)</script>';
const scenario = ({ learn = false, more = '', nodes = '' }) => `
name = "small"
[[fleet.nodes]]
device = "jetson-agx-orin-64gb"
link = "wifi6"
count = 3
jitter = 0.2
[[fleet.nodes]]
device = "jetson-xavier-nx-8gb"
link = "lte"
name = "${hostile}"
outages = [{ at_s = 0.4, for_s = 0.3 }]
${nodes}
[data]
source = "glyphs"
samples = 600
test_samples = 200
[model]
architecture = "cnn-small"
exits = [0.25, 0.5, 0.75, 1.0]
[training]
learn = ${learn}
batch = 16
local_epochs = 1
optimizer = { kind = "sgd", learning_rate = 0.05 }
[schedule]
kind = "cos2p"
[evaluation]
target = 0.12
[stop]
rounds = 12
${more}`;

function run(name, text, ...args) {
  writeFileSync(at(`${name}.toml`), text);
  convoy('run', at(`${name}.toml`), '--quiet', '-o', at(name), ...args);
  return at(name);
}

// Rows of a query on a run's store.
function stored(runFolder, query) {
  const script = `
import json, sqlite3, sys
store = sqlite3.connect(f"file:{sys.argv[1]}/run.sqlite?mode=ro", uri=True)
store.row_factory = sqlite3.Row
print(json.dumps([dict(row) for row in store.execute(sys.argv[2])]))`;
  return JSON.parse(
    execFileSync('python3', ['-c', script, runFolder, query], { encoding: 'utf8', maxBuffer: 1 << 28 })
  );
}

const column = async (page, id, key) => (await values(page, id)).map((row) => row[key]);

// Equal except for the rounding of times in the page to ten digits of the run's length.
function near(found, wanted, whole) {
  assert.equal(found.length, wanted.length);
  found.forEach((value, i) =>
    assert.ok(Math.abs(value - wanted[i]) <= 2e-10 * whole, `${value} is not ${wanted[i]}`)
  );
}

const { browser, test, run: runTests } = await suite();

test('a report of real runs shows what their stores hold', async () => {
  const learned = run('learned', scenario({ learn: true }));
  const timed = run('timed', scenario({}), '--set', 'schedule.kind=fedavg');
  convoy('report', learned, timed, '-o', at('runs.html'));
  const page = await open(browser, at('runs.html'));
  await everyChartIsDrawn(page);

  const judged = stored(learned, 'SELECT * FROM evaluation WHERE judged ORDER BY rowid');
  assert.ok(judged.length > 5);
  assert.deepEqual(await column(page, 'accuracy', 'accuracy'), judged.map((row) => row.top1));
  assert.deepEqual(await column(page, 'accuracy', 'time_s'), judged.map((row) => row.time_s));
  assert.deepEqual(await column(page, 'loss', 'loss'), judged.map((row) => row.loss));

  const nodes = stored(learned, 'SELECT * FROM node WHERE id > 0 ORDER BY id');
  const byId = (rows) => [...rows].sort((a, b) => a.node - b.node).filter((row) => row.node > 0);
  const drawn = async (id, key) => byId(await values(page, id)).map((row) => row[key]);
  assert.deepEqual(await drawn('memory', 'peak_memory_bytes'), nodes.map((n) => n.peak_memory_bytes));
  assert.deepEqual(await drawn('memory', 'memory_bytes'), nodes.map((n) => n.memory_bytes));
  assert.deepEqual(await drawn('bytes', 'bytes_out'), nodes.map((n) => n.bytes_out));
  assert.deepEqual(await drawn('energy', 'energy_j'), nodes.map((n) => n.energy_j));
  assert.deepEqual(await drawn('time', 'computing'), nodes.map((n) => n.busy_s));

  assert.deepEqual(await drawn('time', 'communicating'), nodes.map((n) => n.communicating_s));
  assert.deepEqual(await drawn('time', 'waiting'), nodes.map((n) => n.waiting_s));
  assert.deepEqual(await drawn('time', 'away'), nodes.map((n) => n.away_s));
  assert.deepEqual(await drawn('bytes', 'bytes_in'), nodes.map((n) => n.bytes_in));

  // What leaves devices and comes to them, counted from the activities.
  const moved = stored(
    learned,
    `SELECT label, CASE WHEN node = 0 THEN 'down' ELSE 'up' END AS way,
     SUM(cause = '') AS transfers, SUM(CASE WHEN cause = '' THEN bytes ELSE 0 END) AS bytes,
     SUM(cause <> '') AS broken_off FROM activity
     WHERE kind = 'transfer' AND start_s IS NOT NULL GROUP BY label, way ORDER BY way DESC`
  );
  const told = await page.evaluate(() => {
    const { traffic } = globalThis.convoy.data.runs[0];
    return traffic.label
      .map((label, i) => ({
        label,
        way: traffic.way[i],
        transfers: traffic.transfers[i],
        bytes: traffic.bytes[i],
        broken_off: traffic.broken_off[i],
        class: traffic.class[i],
      }))
      .filter((row) => row.class === '');
  });
  assert.equal(told.length, moved.length);
  moved.forEach((row, i) => {
    for (const key of ['label', 'way', 'transfers', 'broken_off'])
      assert.equal(told[i][key], row[key], `${key} of ${row.label}`);
    assert.ok(Math.abs(told[i].bytes - row.bytes) <= 1e-9 * row.bytes, row.label);
  });

  const [{ virtual_time_s: whole }] = stored(learned, 'SELECT virtual_time_s FROM run');
  const activities = stored(
    learned,
    `SELECT label, start_s, end_s, CASE WHEN node = 0 THEN COALESCE(peer, 0) ELSE node END AS worker
     FROM activity WHERE start_s IS NOT NULL ORDER BY worker, start_s, label`
  );
  const shown = (await values(page, 'timeline')).sort(
    (a, b) => a.node - b.node || a.begin_s - b.begin_s || a.label.localeCompare(b.label)
  );
  near(shown.map((row) => row.begin_s), activities.map((row) => row.start_s), whole);
  near(shown.map((row) => row.end_s), activities.map((row) => row.end_s), whole);
  assert.deepEqual(shown.map((row) => row.label), activities.map((row) => row.label));
  assert.ok(activities.some((row) => row.label === 'mask'));

  const aggregated = stored(learned, "SELECT * FROM task WHERE outcome = 'aggregated'");
  const cells = await values(page, 'participation');
  assert.equal(
    cells.reduce((sum, cell) => sum + cell.updates, 0),
    aggregated.length
  );
  const distribution = new Map();
  for (const { staleness } of aggregated)
    distribution.set(staleness, (distribution.get(staleness) ?? 0) + 1);
  const staleness = await values(page, 'staleness');
  assert.equal(
    staleness.reduce((sum, row) => sum + row.updates, 0),
    aggregated.length
  );
  for (const row of staleness) assert.equal(row.updates, distribution.get(row.staleness) ?? 0);

  // Compared with SQL: idle workers do not compute; the node that closed each round.
  const idle = byId(await values(page, 'idle'));
  idle.forEach(({ node, name, ...causes }, i) => {
    const sum = Object.values(causes).reduce((all, one) => all + one, 0);
    assert.ok(Math.abs(sum - (whole - nodes[i].busy_s)) < 1e-9 * whole, `${name}: ${sum}`);
  });
  const aggregations = stored(learned, 'SELECT * FROM aggregation ORDER BY version');
  const rounds = await values(page, 'rounds');
  assert.deepEqual(rounds.map((row) => row.version), aggregations.map((row) => row.version));
  rounds.forEach((row, i) => {
    const begin = i === 0 ? 0 : aggregations[i - 1].end_s;
    const parts = ['queue_s', 'link_s', 'compute_s', 'outage_s', 'aggregation_s', 'other_s'];
    const path = parts.reduce((sum, part) => sum + row[part], 0);
    assert.ok(Math.abs(path - (aggregations[i].end_s - begin)) < 1e-9 * whole);
    const [last] = stored(
      learned,
      `SELECT node FROM journal WHERE kind IN ('task_done', 'task_failed') AND node > 0 AND
       time_s <= ${aggregations[i].start_s} ORDER BY sequence DESC LIMIT 1`
    );
    assert.equal(row.node, last.node, `round ${row.version}`);
  });

  const compared = await values(page, 'comparison');
  assert.deepEqual(compared.map((row) => row.value), [learned, timed].map((one) =>
    stored(one, 'SELECT virtual_time_s FROM run')[0].virtual_time_s));
  nothingSeen(page); // although a node is called <script>
  await page.close();
});

test('zoom, dark, a saved picture and a phone', async () => {
  const learned = run('other', scenario({ learn: true }));
  convoy('report', learned);
  const page = await open(browser, join(learned, 'report.html'));
  const all = (await values(page, 'timeline')).length;
  const timeline = page.locator('#chart-timeline');
  await timeline.scrollIntoViewIfNeeded();
  const box = await timeline.locator('canvas').first().boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  for (let i = 0; i < 6; i += 1) await page.mouse.wheel(0, -300);
  await page.waitForTimeout(200);
  const fewer = (await values(page, 'timeline')).length;
  assert.ok(fewer < all, `${fewer} of ${all} activities after zooming`);
  const background = () =>
    page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.getByRole('button', { name: /dark|light/i }).first().click();
  assert.notEqual(await background(), light);
  const svg = await savedSvg(page, 'timeline');
  assert.ok(svg.includes('virtual time'), svg.slice(0, 300));
  nothingSeen(page);
  const phone = await open(browser, join(learned, 'report.html'), { width: 360, height: 740 });
  await noSidewaysScrolling(phone);
});

test('a report of a sweep', async () => {
  writeFileSync(
    at('sweep.toml'),
    scenario({
      more: `[sweep]
"schedule.kind" = ["fedavg", "cos2p"]
"training.batch" = [8, 16, 32]
"seed" = [1, 2, 3]`,
    })
  );
  convoy('sweep', at('sweep.toml'), '-o', at('sweep'), '--quiet');
  convoy('report', at('sweep'));
  const page = await open(browser, join(at('sweep'), 'report.html'));
  await everyChartIsDrawn(page);
  const map = await values(page, 'sweep-map');
  assert.equal(map.length, 6);
  const lines = readFileSync(join(at('sweep'), 'results.csv'), 'utf8').trim().split('\n');
  const names = lines[0].split(',');
  const results = lines
    .slice(1)
    .map((line) => Object.fromEntries(line.split(',').map((cell, i) => [names[i], cell])));
  for (const cell of map) {
    const points = results.filter((row) =>
      [cell.x, cell.y].every((value) =>
        [row['schedule.kind'], row['training.batch']].includes(String(value))
      )
    );
    assert.equal(cell.count, 3);
    const times = points.map((row) => Number(row['result.virtual_time_s']));
    const mean = times.reduce((sum, time) => sum + time, 0) / 3;
    assert.ok(Math.abs(cell.mean - mean) < 1e-9 * mean, `${cell.mean} is not ${mean}`);
  }
  const times = (rows, key) => rows.map((row) => Number(row[key])).sort((a, b) => a - b);
  assert.deepEqual(
    times(await values(page, 'comparison'), 'value'),
    times(results, 'result.virtual_time_s')
  );
  // A mark is a mean over three seeds. No mark of the front is worse in both metrics than another;
  // every other mark is.
  const points = await values(page, 'sweep-pareto');
  assert.equal(points.length, 6);
  const beats = (a, b) => a.x <= b.x && a.y <= b.y && (a.x < b.x || a.y < b.y);
  for (const point of points) {
    assert.equal(point.front, !points.some((other) => beats(other, point)), JSON.stringify(point));
  }
  // The map of winners names the schedule that was faster on average, in each row.
  const panel = page.locator('#winners');
  await panel.getByLabel('Metric', { exact: true }).selectOption({ label: 'virtual time' });
  const rows = await panel.locator('.whole tbody tr').allInnerTexts();
  assert.equal(rows.length, 3);
  for (const batch of ['8', '16', '32']) {
    const mean = (kind) =>
      results
        .filter((row) => row['training.batch'] === batch && row['schedule.kind'] === kind)
        .reduce((sum, row) => sum + Number(row['result.virtual_time_s']) / 3, 0);
    const [winner, other] = mean('cos2p') < mean('fedavg') ? ['cos2p', 'fedavg'] : ['fedavg', 'cos2p'];
    const row = rows.find((text) => text.startsWith(`batch = ${batch}\t`) || text.startsWith(`batch = ${batch}\n`));
    assert.ok(row?.includes(`less than ${other}`), `${row} is not of ${winner}`);
  }
  nothingSeen(page);
});

test('a report of a sweep of 200 points', async () => {
  // Twenty groups of ten points, which all have the results of one run that learns.
  writeFileSync(at('one.toml'), scenario({ learn: true, more: '[sweep]\nseed = [1]' }));
  convoy('sweep', at('one.toml'), '--quiet', '-o', at('one'));
  const [hash] = readdirSync(join(at('one'), 'points'));
  const result = JSON.parse(readFileSync(join(at('one'), 'points', hash, 'summary.json'), 'utf8'));
  const file = (...path) => {
    const name = join(at('many'), ...path);
    mkdirSync(dirname(name), { recursive: true });
    return name;
  };
  const points = Array.from({ length: 200 }, (_, i) => ({
    settings: [`${(i % 20) / 20}`, `${Math.floor(i / 20)}`],
    hash: `p${i}`,
  }));
  points.forEach(({ settings, hash }) =>
    writeFileSync(
      file('points', hash, 'summary.json'),
      JSON.stringify({ ...result, seed: Number(settings[1]) })
    )
  );
  writeFileSync(
    file('sweep.json'),
    JSON.stringify({ scenario: 'many', file: 'many.toml', version: '', keys: ['quorum', 'seed'], points })
  );
  convoy('report', at('many'));
  const { size } = statSync(join(at('many'), 'report.html'));
  assert.ok(size < 10e6, `${size} bytes`);
  const page = await open(browser, join(at('many'), 'report.html'));
  assert.equal(
    await page.evaluate(
      () => window.convoy.page.data.sweeps[0].points.filter((each) => each.status === 'done').length
    ),
    200
  );
  const paint = await page.evaluate(
    () => performance.getEntriesByName('first-contentful-paint')[0].startTime
  );
  console.log(`   200 points, ${size} bytes: first paint ${Math.round(paint)} ms`);
  assert.equal((await values(page, 'comparison')).length, 200);
  assert.equal(new Set((await values(page, 'accuracy-bands')).map((row) => row.group)).size, 8);
  nothingSeen(page);
});

test('a report of 100,000 activities', async () => {
  const big = run(
    'big',
    scenario({ nodes: '[[fleet.nodes]]\ndevice = "jetson-nano"\nlink = "lte"\ncount = 40' }),
    ...['--set', 'stop.rounds=1500']
  );
  const [{ count }] = stored(
    big,
    'SELECT COUNT(*) AS count FROM activity WHERE start_s IS NOT NULL'
  );
  assert.ok(count > 100_000, `${count} activities`);
  convoy('report', big);
  assert.ok(statSync(join(big, 'report.html')).size < 10e6);
  const page = await open(browser, join(big, 'report.html'));
  const paint = await page.evaluate(
    () => performance.getEntriesByName('first-contentful-paint')[0].startTime
  );
  console.log(`   ${count} activities: first paint ${Math.round(paint)} ms`);
  // Counted in the browser: sending all as text takes ten times as long as drawing them.
  const drawn = await page.evaluate(() => window.convoy.charts.get('timeline').values().length);
  assert.equal(drawn, count);
  nothingSeen(page);
});

test('a run that failed, and one that was killed', async () => {
  const tight = scenario({ more: '' }).replace('[schedule]', '[schedule]\nfedavg.deadline_s = 1e-6');
  writeFileSync(at('failed.toml'), tight.replace('"cos2p"', '"fedavg"'));
  assert.throws(() => convoy('run', at('failed.toml'), '--quiet', '-o', at('failed')));
  convoy('report', at('failed'));
  const page = await open(browser, join(at('failed'), 'report.html'));
  await everyChartIsDrawn(page);
  assert.match(await page.locator('body').innerText(), /The run failed: .*tasks in a row/);

  const killed = run('killed', scenario({}));
  execFileSync('python3', [
    '-c',
    `
import sqlite3, sys
store = sqlite3.connect(sys.argv[1] + "/run.sqlite")
store.execute("UPDATE run SET status = 'running', virtual_time_s = NULL")
store.execute("UPDATE node_group SET busy_s = NULL, peak_memory_bytes = NULL")
store.execute("DELETE FROM task WHERE id > 20")
store.commit()`,
    killed,
  ]);
  convoy('report', killed);
  const other = await open(browser, join(killed, 'report.html'));
  await everyChartIsDrawn(other);
  assert.match(await other.locator('body').innerText(), /not over, or was killed/);
  nothingSeen(page);
  nothingSeen(other);
});

// Starts a run or sweep that is shown live; gives its address and a promise of its exit status.
async function runLive(name, text, verb = 'run', ...more) {
  writeFileSync(at(`${name}.toml`), text);
  const port = await freePort();
  const child = spawn(process.env.CONVOY_BINARY, [
    ...[verb, at(`${name}.toml`), '-o', at(name), '--serve', `127.0.0.1:${port}`, ...more],
  ]);
  process.on('exit', () => child.kill());
  const ended = new Promise((over) => child.on('exit', over));
  const address = await new Promise((found, failed) => {
    let said = '';
    child.stderr.on('data', (data) => {
      said += data;
      const match = said.match(/http:\/\/\S+/);
      if (match) found(match[0]);
    });
    child.on('exit', () => failed(new Error(said)));
  });
  return { address, ended };
}

const freePort = () =>
  new Promise((found) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => found(port));
    });
  });

test('a live run to its end, reloaded in the middle', async () => {
  const text = scenario({ learn: true })
    .replace('samples = 600', 'samples = 3000')
    .replace('rounds = 12', 'rounds = 70'); // longer than a slow page takes to come up
  const { address, ended } = await runLive('live', text);
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  watch(page, (url) => url === address);
  await page.goto(address);
  await page.waitForSelector('#chart-timeline');
  await ready(page);
  const versions = () => page.evaluate(() => window.convoy.page.run.figures.rounds);
  const reached = (count) =>
    page.waitForFunction((n) => window.convoy.page.run.figures.rounds >= n, count, { timeout: 60000 });
  await reached(5);
  // A paused run first ends its instant. From then on the page shows everything that has happened,
  // even if some rows come from the store later. It is reloaded meanwhile, so that the run cannot
  // end before, however slow the machine is.
  const isPaused = () =>
    page.waitForFunction(() => /Paused/.test(document.querySelector('.live .state').textContent));
  await page.locator('#pause').click();
  await isPaused();
  await page.reload();
  await page.waitForSelector('#chart-timeline');
  await isPaused();
  assert.match(await page.locator('#pause').textContent(), /Resume/);
  const time = () => page.evaluate(() => window.convoy.page.run.virtual_time_s);
  const paused = [await versions(), await time()];
  await page.waitForTimeout(1500);
  assert.deepEqual([await versions(), await time()], paused, 'it went on while it was paused');
  await page.locator('#pause').click();
  await reached(paused[0] + 1);
  assert.equal(await ended, 0);
  const isOver = () => /The run is over: done/.test(document.body.innerText);
  await page.waitForFunction(isOver, undefined, { timeout: 120000 });
  const judged = stored(at('live'), 'SELECT * FROM evaluation WHERE judged ORDER BY rowid');
  assert.deepEqual(await column(page, 'accuracy', 'accuracy'), judged.map((row) => row.top1));
  const [{ count }] = stored(
    at('live'),
    'SELECT COUNT(*) AS count FROM activity WHERE start_s IS NOT NULL'
  );
  assert.equal((await values(page, 'timeline')).length, count);
  await everyChartIsDrawn(page);
  nothingSeen(page);
});

test('a live run is stopped from the page', async () => {
  const text = scenario({ learn: true }).replace('rounds = 12', 'rounds = 5000');
  const { address, ended } = await runLive('stop', text);
  const page = await (await browser.newContext()).newPage();
  await page.goto(address);
  await page.waitForSelector('#stop:not([hidden])');
  await page.locator('#stop').click();
  assert.equal(await ended, 3);
  await page.waitForFunction(() => /The run is over: stopped/.test(document.body.innerText));
});

test('a live sweep to its end', async () => {
  const text = scenario({
    learn: true,
    more: `[sweep]
"schedule.kind" = ["fedavg", "cos2p"]
"seed" = [1, 2]`,
  }).replace('rounds = 12', 'rounds = 60'); // longer than a slow page takes to come up
  const { address, ended } = await runLive('sweeping', text, 'sweep', '-j', '1');
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  watch(page, (url) => url.startsWith(address.replace(/[?].*/, '')));
  await page.goto(address);
  const done = (count) =>
    page.waitForFunction(
      (n) =>
        window.convoy.page.data.sweeps[0]?.points.filter((each) => each.status === 'done').length >=
        n,
      count,
      { timeout: 120000 }
    );
  await done(1);
  await page.getByText('All points', { exact: true }).click();
  // The report of a point that is done, while others are running.
  const link = page.locator('.live a').first();
  const [point] = await Promise.all([page.context().waitForEvent('page'), link.click()]);
  await ready(point);
  assert.ok((await values(point, 'accuracy')).length > 3);
  await point.close();

  assert.equal(await ended, 0);
  const isOver = () => /The sweep is over: done/.test(document.body.innerText);
  await page.waitForFunction(isOver, undefined, { timeout: 120000 });
  await done(4);
  // The same as in the report that is made afterwards.
  convoy('report', at('sweeping'));
  const report = await open(browser, join(at('sweeping'), 'report.html'));
  const data = (from) =>
    from.evaluate(() => {
      const { sweeps, comparison, bands } = window.convoy.page.data;
      return { sweeps: sweeps.map(({ label, ...rest }) => rest), comparison, bands };
    });
  assert.deepEqual(await data(page), await data(report));
  for (const id of ['sweep-map', 'sweep-pareto', 'comparison', 'accuracy-bands'])
    assert.deepEqual(await values(page, id), await values(report, id), id);
  await everyChartIsDrawn(page);
  nothingSeen(page);
});

await runTests();
