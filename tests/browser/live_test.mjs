// Tests the live page with an artificial server: node tests/browser/live_test.mjs [part of a name]
import assert from 'node:assert/strict';
import { html, nothingSeen, suite, values, watch } from './browser.mjs';
import { makeData, makeRun } from './fixture.mjs';

const host = 'convoy.test';
const { browser, test, run } = await suite();

const cut = (table, wanted) => {
  const keep = Object.values(table)[0]
    .map((_, i) => i)
    .filter((i) => wanted(table, i));
  return Object.fromEntries(
    Object.entries(table).map(([key, list]) => [key, keep.map((i) => list[i])])
  );
};

// A run in progress: everything until `time`, with an unknown end.
function until(whole, time) {
  const run = structuredClone(whole);
  const { activities, timeline, whole: replaced, ...grown } = slice(whole, 0, time);
  return {
    ...run,
    ...grown,
    ...replaced,
    status: 'running',
    virtual_time_s: time,
    timeline: { ...run.timeline, ...timeline, activities },
    nodes: Object.fromEntries(
      Object.entries(run.nodes).map(([key, list]) => [
        key,
        [
          'busy_s',
          'communicating_s',
          'waiting_s',
          'away_s',
          'bytes_in',
          'bytes_out',
          'peak_memory_bytes',
          'energy_j',
          'tasks',
          'tasks_failed',
        ].includes(key)
          ? list.map(() => null)
          : list,
      ])
    ),
  };
}

// Activities that ended within (from, to], as `rows` gives them: some tables grow, others are replaced.
function slice(run, from, to) {
  const within = (key) => (table, i) => table[key][i] > from && table[key][i] <= to;
  const until = (key) => (table, i) => table[key][i] <= to;
  const { labels, kinds, causes, activities, away, waits } = run.timeline;
  const updates = cut(run.updates, until('ended_s'));
  const versions = [...new Set(updates.staleness)].sort((a, b) => a - b);
  return {
    updates: cut(run.updates, within('ended_s')),
    activities: cut(activities, within('end_s')),
    exits: cut(run.exits, within('time_s')),
    aggregations: cut(run.aggregations, within('end_s')),
    readings: cut(run.readings, within('time_s')),
    whole: {
      curve: cut(run.curve, until('time_s')),
      remarks: [],
      figures: { ...run.figures, bytes_up: 3.9e6 * updates.node.length },
      rounds: cut(run.rounds, until('end_s')),
      idle: run.idle,
      staleness: {
        versions,
        updates: versions.map((value) => updates.staleness.filter((one) => one === value).length),
      },
    },
    timeline: {
      ...{ labels, kinds, causes },
      away: cut(away, until('end_s')),
      waits: cut(waits, until('end_s')),
    },
  };
}

const now = (run, time, more = {}) => ({
  type: 'now',
  virtual_time_s: time,
  wall_time_s: time / 40,
  lag_ms: 3.2,
  share: time / run.virtual_time_s,
  rounds: run.aggregations.end_s.filter((end) => end <= time).length,
  tasks: 10,
  tasks_failed: 1,
  accuracy: 0.5,
  paused: false,
  at_rest: false,
  nodes: {
    node: [1, 2, 3],
    label: ['train', 'upload', ''],
    since_s: [time - 1, time - 0.5, time - 3],
    away: [false, false, true],
  },
  ...more,
});

// A server with a page at `address` and the sockets that it opened so far.
async function serve(query = '', live = 'run') {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const address = `http://${host}/${query}`;
  watch(page, (url) => url === address);
  await page.route(`http://${host}/**`, (route) =>
    route.fulfill({ contentType: 'text/html', body: html(makeData({ live })) })
  );
  const sockets = [];
  await page.routeWebSocket(/^ws:/, (socket) => {
    const one = {
      socket,
      url: socket.url(),
      heard: [],
      send: (message) => socket.send(JSON.stringify(message)),
    };
    socket.onMessage((text) => one.heard.push(JSON.parse(text)));
    sockets.push(one);
  });
  await page.goto(address);
  const opened = async (count) => {
    for (let i = 0; sockets.length < count && i < 400; i += 1) await page.waitForTimeout(25);
    assert.ok(sockets.length >= count, `${sockets.length} of ${count} connections`);
    return sockets[count - 1];
  };
  return { page, sockets, opened };
}

const text = (page, selector) => page.locator(selector).innerText();
const eventually = async (page, what, check) => {
  for (let i = 0; i < 200; i += 1) {
    if (await check()) return;
    await page.waitForTimeout(25);
  }
  assert.fail(`in 5 s not: ${what}`);
};
const rows = async (page, id) => (await values(page, id)).length;

const whole = makeRun({ label: 'runs/live', nodes: 8, activities: 600 });
const end = whole.virtual_time_s;

test('a run from its start to its end', async () => {
  const { page, opened } = await serve('?token=a%26b');
  const server = await opened(1);
  assert.equal(new URL(server.url).searchParams.get('token'), 'a&b');
  const begun = until(whole, end * 0.2);
  server.send({ type: 'run', run: begun, may_control: true, pausable: true });
  await eventually(page, 'the charts are there', () => page.locator('#chart-timeline').isVisible());
  assert.equal(await rows(page, 'timeline'), begun.timeline.activities.node.length);

  for (const [from, to] of [
    [0.2, 0.4],
    [0.4, 0.6],
    [0.6, 0.8],
  ]) {
    server.send({ type: 'rows', ...slice(whole, end * from, end * to) });
    server.send(now(whole, end * to));
    await page.waitForTimeout(120);
  }
  const later = until(whole, end * 0.8);
  await eventually(
    page,
    'all activities',
    async () => (await rows(page, 'timeline')) === later.timeline.activities.node.length
  );
  const sent = await page.evaluate(() => window.convoy.page.run.figures.bytes_up);
  assert.equal(sent, 3.9e6 * later.updates.node.length);
  assert.deepEqual(
    (await values(page, 'accuracy')).map((row) => row.accuracy),
    later.curve.accuracy
  );
  const taken = (await values(page, 'participation')).reduce((sum, cell) => sum + cell.updates, 0);
  assert.equal(taken, later.updates.node.length);
  assert.equal(
    (await values(page, 'staleness')).reduce((sum, row) => sum + row.updates, 0) > 0,
    true
  );

  await eventually(page, 'the panel follows', async () =>
    (await text(page, '.live')).includes('80 %')
  );
  const panel = await text(page, '.live');
  for (const part of [
    'is running',
    '× 40',
    '3.2 ms',
    '80 %',
    `node updates\n${whole.figures.tasks}`, // of the rows, as the charts
    'train',
    'upload',
    'away',
    'idle',
  ]) {
    assert.ok(panel.includes(part), `"${part}" is in "${panel}"`);
  }
  assert.ok(Math.abs((await page.locator('progress').evaluate((bar) => bar.value)) - 0.8) < 1e-9);

  await page.locator('#pause').click();
  await eventually(page, 'the pause is asked for', () =>
    server.heard.some((message) => message.do === 'pause')
  );
  server.send(now(whole, end * 0.8, { paused: true }));
  await eventually(page, 'it is not at rest yet', async () =>
    (await text(page, '.live')).includes('Stopping at the end of this moment')
  );
  server.send(now(whole, end * 0.8, { paused: true, at_rest: true }));
  await eventually(page, 'it says so', async () => (await text(page, '.live')).includes('Paused'));
  assert.equal(await text(page, '#pause'), 'Resume');
  await page.locator('#pause').click();
  await eventually(page, 'going on is asked for', () =>
    server.heard.some((message) => message.do === 'resume')
  );
  server.send({ type: 'refused', why: 'a node is real' });
  await eventually(page, 'the refusal is said', async () =>
    (await text(page, '.live')).includes('a node is real')
  );
  await page.locator('#stop').click();
  await eventually(page, 'the stop is asked for', () =>
    server.heard.some((message) => message.do === 'stop')
  );

  server.send({ type: 'end', run: whole });
  server.socket.close();
  await eventually(page, 'the end is said', async () =>
    (await text(page, '.live')).includes('over: done')
  );
  assert.equal(await page.locator('#stop').isVisible(), false);
  assert.equal(await rows(page, 'timeline'), whole.timeline.activities.node.length);
  assert.deepEqual(
    (await values(page, 'rounds')).map((row) => row.version),
    whole.rounds.version
  );
  await page.waitForTimeout(900);
  nothingSeen(page);
});

// `now` is sometimes ahead of `rows` and sometimes behind: metrics shown in two places, and what charts
// show, are equal, whichever message came last.
test('no two places of the page contradict each other', async () => {
  const { page, opened } = await serve();
  const server = await opened(1);
  const nothing = 'Nothing was evaluated yet: there is no accuracy and no loss.';
  const begun = until(whole, 0);
  begun.curve = cut(begun.curve, () => false);
  begun.remarks = [nothing];
  Object.assign(begun.figures, { rounds: 0, tasks: 0, accuracy: null, accuracy_best: null });
  server.send({ type: 'run', run: begun, may_control: false, pausable: true });
  const fact = (name) =>
    page.evaluate(
      (wanted) =>
        [...document.querySelectorAll('.live .facts > div')]
          .find((each) => each.querySelector('dt').textContent === wanted)
          ?.querySelector('dd').textContent,
      name
    );
  const row = async (name) => {
    const cells = await page.evaluate(
      (wanted) =>
        [...document.querySelectorAll('#summary tr')]
          .map((each) => [...each.querySelectorAll('th, td')].map((cell) => cell.textContent))
          .find(([title]) => title === wanted),
      name
    );
    return cells?.[1];
  };
  const agree = async (said) => {
    const remarked = (await text(page, '#summary')).includes('Nothing was evaluated yet');
    const accuracy = await fact('accuracy');
    assert.equal(remarked, accuracy === '–', `${said}: "${accuracy}"`);
    assert.equal((await row('accuracy, last')) ?? '–', accuracy, said);
    const [last, best] = [await row('accuracy, last'), await row('accuracy, best')];
    assert.ok(parseFloat(last ?? 0) <= parseFloat(best ?? 0), `${said}: ${last} above ${best}`);
    assert.equal(await fact('rounds'), await row('rounds (aggregations)'), said);
    assert.equal(await fact('rounds'), `${(await values(page, 'rounds')).length}`, said);
    assert.equal(await fact('virtual time'), await row('virtual time'), said);
    assert.equal(
      parseInt((await fact('node updates')).replaceAll(',', ''), 10),
      parseInt((await row('node updates')).replaceAll(',', ''), 10),
      said
    );
  };
  // The run's status comes first.
  server.send(now(whole, end * 0.3, { accuracy: 0.104, rounds: 7, tasks: 30 }));
  await eventually(page, 'the panel', async () => (await fact('rounds')) === '0');
  await agree('before any row');
  const listed = () =>
    page.evaluate(() =>
      [...document.querySelectorAll('.live .now tbody tr')].map((each) =>
        [...each.children].map((cell) => cell.textContent)
      )
    );
  const everyone = await listed();
  assert.deepEqual(
    everyone.map(([name]) => name.replace('● ', '')),
    whole.nodes.name,
    'all nodes are listed before their first task'
  );
  assert.equal(everyone[5][1], 'idle');

  // Rows ahead of the status; a curve that was higher before.
  const rows = slice(whole, 0, end * 0.5);
  const judged = rows.whole.curve.accuracy.length;
  assert.ok(judged > 2);
  rows.whole.curve.accuracy = rows.whole.curve.accuracy.map((_, i) => (i === 1 ? 0.208 : 0.14));
  const rounds = rows.whole.rounds.version.length;
  const made = { rounds, tasks: 41, accuracy: 0.14, accuracy_best: 0.14 };
  rows.whole.figures = { ...rows.whole.figures, ...made };
  server.send({ type: 'rows', ...rows });
  await eventually(page, 'the rows', async () => (await fact('rounds')) === `${rounds}`);
  assert.equal(await row('accuracy, best'), '20.8 %');
  assert.equal(await fact('accuracy'), '14 %');
  await agree('rows ahead');
  for (const other of [rounds - 1, rounds + 2]) {
    server.send(now(whole, end * 0.5, { accuracy: 0.3, rounds: other, tasks: 40 }));
    await page.waitForTimeout(700);
    assert.equal(await fact('rounds'), `${rounds}`, 'it is what the charts show');
    await agree(`a status of ${other} rounds`);
  }
  // Rows without metrics: a limit is reached, and the status alone goes on.
  const { curve, remarks } = rows.whole;
  server.send({ type: 'rows', whole: { curve, remarks } });
  server.send(now(whole, end * 0.6, { accuracy: 0.3, rounds: rounds + 3, tasks: 60 }));
  await eventually(page, 'the count', async () => (await fact('rounds')) === `${rounds + 3}`);
  assert.equal(await row('rounds (aggregations)'), `${rounds + 3}`);

  server.send({ type: 'end', run: whole });
  server.socket.close();
  await eventually(page, 'the end', async () => (await text(page, '.live')).includes('over: done'));
  await agree('the end');
  nothingSeen(page);
});

test('times that are rounding alone are nothing', async () => {
  const { page, opened } = await serve();
  const server = await opened(1);
  server.send({ type: 'run', run: until(whole, end * 0.3), may_control: false, pausable: true });
  const time = end * 0.3;
  const since = [time - 1e-12, time - 2e-7, time - 3];
  const nodes = { ...now(whole, time).nodes, since_s: since };
  server.send(now(whole, time, { nodes }));
  await eventually(page, 'the nodes', async () =>
    (await text(page, '.live .now')).includes('train')
  );
  const said = await text(page, '.live .now');
  assert.match(said, /train\s+0 s/);
  assert.match(said, /upload\s+(200|199|201)(\.\d+)? ns/);
  assert.doesNotMatch(said, /e[-−]/);
  nothingSeen(page);
});

test('a page that is reloaded in the middle shows the same', async () => {
  const { page, opened } = await serve();
  const first = await opened(1);
  first.send({ type: 'run', run: until(whole, end * 0.3), may_control: false, pausable: true });
  await eventually(page, 'charts', () => page.locator('#chart-timeline').isVisible());
  await page.reload();
  const second = await opened(2);
  const begun = until(whole, end * 0.5);
  second.send({ type: 'run', run: begun, may_control: false, pausable: true });
  await eventually(page, 'charts', () => page.locator('#chart-timeline').isVisible());
  assert.equal(await rows(page, 'timeline'), begun.timeline.activities.node.length);
  for (const id of ['#pause', '#stop'])
    assert.equal(await page.locator(id).isVisible(), false, 'no token, no buttons');
  nothingSeen(page);
});

test('a lost connection is found again', async () => {
  const { page, sockets, opened } = await serve('?token=t');
  const first = await opened(1);
  first.send({ type: 'run', run: until(whole, end * 0.3), may_control: true, pausable: false });
  first.send(now(whole, end * 0.3));
  await eventually(page, 'charts', () => page.locator('#chart-timeline').isVisible());
  assert.equal(await page.locator('#pause').isVisible(), false, 'real nodes cannot be paused');
  first.socket.close();
  await eventually(page, 'the loss is said', async () =>
    (await text(page, '.live')).includes('connection is lost')
  );
  assert.equal(await page.locator('#stop').isDisabled(), true);
  const second = await opened(2);
  const begun = until(whole, end * 0.6);
  second.send({ type: 'run', run: begun, may_control: true, pausable: false });
  await eventually(
    page,
    'no row is there twice',
    async () => (await rows(page, 'timeline')) === begun.timeline.activities.node.length
  );
  second.send({ type: 'rows', ...slice(whole, end * 0.6, end * 0.7) });
  const later = until(whole, end * 0.7);
  await eventually(
    page,
    'it grows again',
    async () => (await rows(page, 'timeline')) === later.timeline.activities.node.length
  );
  assert.equal(await page.locator('#stop').isDisabled(), false);
  assert.equal(sockets.length, 2);
  nothingSeen(page);
});

test('the timeline follows the end until it is zoomed', async () => {
  const { page, opened } = await serve();
  const server = await opened(1);
  server.send({ type: 'run', run: until(whole, end * 0.3), may_control: false, pausable: false });
  await eventually(page, 'charts', () => page.locator('#chart-timeline').isVisible());
  const view = () => page.evaluate(() => window.convoy.charts.get('timeline').window());
  const grow = async (from, to) => {
    server.send({ type: 'rows', ...slice(whole, end * from, end * to) });
    server.send(now(whole, end * to));
    await page.waitForTimeout(700);
  };
  await grow(0.3, 0.5);
  assert.ok(Math.abs((await view())[1] - end * 0.5) < end * 0.02);
  await page.getByRole('button', { name: 'Zoom in' }).click();
  const before = await view();
  await grow(0.5, 0.7);
  const after = await view();
  assert.ok(
    Math.abs(after[0] - before[0]) < 1e-6 && Math.abs(after[1] - before[1]) < 1e-6,
    'a zoomed window stays'
  );
  await page.getByRole('button', { name: 'Show all' }).click();
  await grow(0.7, 0.9);
  assert.ok(Math.abs((await view())[1] - end * 0.9) < end * 0.02, 'and follows again');
  nothingSeen(page);
});

// Points of a sweep as they end: those before `count` in the order of the index.
function sweepUntil(whole, count) {
  const data = structuredClone(whole);
  data.live = '';
  data.sweeps[0].points.forEach((point, i) => {
    if (i < count) return;
    Object.assign(point, { status: 'missing', cause: '', values: point.values.map(() => null) });
  });
  return data;
}

test('a sweep from its start to its end', async () => {
  const whole = makeData({ runs: 0, sweep: { keys: 2 }, comparison: true, bands: 3 });
  const { points } = whole.sweeps[0];
  const { page, opened } = await serve('', 'sweep');
  const server = await opened(1);
  const status = (done, running, stopped = 0) => ({
    type: 'now',
    points: points.length,
    done,
    failed: 0,
    stopped,
    running: { point: running, share: running.map(() => 0.25) },
    wall_time_s: 30,
    left_s: 61.2,
  });
  const tell = (...all) => server.send(status(...all));
  server.send({ type: 'sweep', may_control: true, with_stores: true });
  const nothing = sweepUntil(whole, 0);
  Object.assign(nothing, { comparison: null, bands: [] });
  nothing.sweeps[0].figures = [];
  for (const point of nothing.sweeps[0].points) point.values = [];
  server.send({ type: 'report', data: nothing });
  tell(0, [0, 1]);
  await eventually(page, 'the panel', async () =>
    (await text(page, '.live')).includes(`0 of ${points.length}`)
  );
  const panel = await text(page, '.live');
  for (const part of ['is running', '25 %', '62 s', ...points[0].settings])
    assert.ok(panel.includes(part), `"${part}" is in "${panel}"`);

  await eventually(page, 'it says that there is nothing', async () =>
    (await text(page, 'main')).includes('No point is done yet')
  );

  // The first results bring charts; what the reader chooses then stays when there are more.
  server.send({ type: 'report', data: sweepUntil(whole, 4) });
  await eventually(page, 'charts', () => page.locator('#chart-sweep-pareto').isVisible());
  const up = page.locator('#chart-sweep-pareto').getByLabel('Up', { exact: true });
  const chosen = () => up.evaluate((box) => box.selectedOptions[0].textContent);
  await up.focus();
  await up.selectOption({ label: 'bytes up' });
  const cells = async () =>
    (await values(page, 'sweep-map')).reduce((sum, cell) => sum + cell.count, 0);
  const before = await cells();
  await page.evaluate(() => {
    window.before = window.convoy.charts.get('sweep-pareto');
  });
  server.send({ type: 'report', data: sweepUntil(whole, points.length - 2) });
  await eventually(page, 'more points', async () => (await cells()) > before);
  assert.equal(await chosen(), 'bytes up');
  assert.ok(
    await page.evaluate(() => window.before === window.convoy.charts.get('sweep-pareto')),
    'a chart whose parts are the same is not made anew'
  );
  // Another group appears: the page is made anew.
  const grown = sweepUntil(whole, points.length - 1);
  grown.bands = [...grown.bands, { ...grown.bands[0], group: 'one more' }];
  server.send({ type: 'report', data: grown });
  await eventually(page, 'the group', async () =>
    (await values(page, 'accuracy-bands')).some((row) => row.group === 'one more')
  );
  assert.equal(await chosen(), 'bytes up', 'what was chosen stays');
  assert.equal(
    await up.evaluate((box) => box === document.activeElement),
    true,
    'and so does the focus'
  );
  const instances = await page.evaluate(() => document.querySelectorAll('main canvas').length);
  assert.ok(instances <= (await page.evaluate(() => window.convoy.charts.size)) * 2, `${instances}`);

  await page.getByText('All points', { exact: true }).click();
  tell(points.length - 1, [points.length - 1]);
  const states = () =>
    page.evaluate(() =>
      [...document.querySelectorAll('.live details tbody tr')].map(
        (row) => row.children[row.children.length - 2].textContent
      )
    );
  const wanted = points.map(({ status }, i) => (i === points.length - 1 ? 'running' : status));
  await eventually(page, 'all states', async () => (await states()).join() === wanted.join());
  const link = page.locator('.live details a').first();
  assert.equal(await link.getAttribute('href'), `point/${wanted.indexOf('done')}`);
  await page.locator('#stop').click();
  await eventually(page, 'the stop is asked for', () =>
    server.heard.some((message) => message.do === 'stop')
  );
  assert.match(await text(page, '.live'), /Stopping the sweep/);
  server.send({
    type: 'end',
    status: 'stopped',
    data: sweepUntil(whole, points.length - 1),
    now: status(points.length - 1, [], 1),
  });
  server.socket.close();
  await eventually(page, 'the end', async () =>
    (await text(page, '.live')).includes('The sweep is over: stopped')
  );
  assert.match(await text(page, '.live'), /running\s+0/, 'the last state is shown');
  await eventually(page, 'the point that was not run', async () =>
    (await text(page, 'main')).includes('not done')
  );
  await eventually(page, 'the rest', async () => (await states()).at(-1) === 'not run');
  assert.equal(await page.locator('.live details a').count(), 0, 'nobody serves points any more');
  assert.equal(await page.locator('#stop').isVisible(), false);
  nothingSeen(page);
});

await run();
